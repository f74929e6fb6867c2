"""Keys of encrypted parts: fetched once, cached processed, never shown."""

import asyncio
import inspect
from collections.abc import Callable, Iterable
from itertools import islice
from time import monotonic
from typing import Final

from kithara_assets import Assets, OfflineMiss, ResourceKey
from kithara_net import Net, NetError
from kithara_stream import to_the_end

from ._errors import KeyInvalid
from ._events import HlsEvent, KeyFetched
from ._names import CacheNames
from ._options import HlsOptions, KeyContext
from ._patience import Patience
from ._playlist import EncryptionKey
from ._tally import Tally
from ._urls import inline_bytes, redacted

__all__ = ("KeyRing", "KnownKeys")

_ATTEMPTS: Final = 2
_MAX_KEY_BYTES: Final = 64 * 1024
_EARLY: Final = 4  # keys fetched before a segment needs them, at most


class KnownKeys:
    """The keys that a session has seen, whichever playlist names them. Belongs to the event loop.

    ``by_url`` are those that were processed already, ``failed`` why others could not be had.
    """

    def __init__(self, net: Net, tally: Tally) -> None:
        self._net = net
        self._tally = tally
        self._early: dict[str, asyncio.Task[bytes]] = {}
        self.by_url: dict[str, bytes] = {}
        self.failed: dict[str, Exception] = {}
        self.locks: dict[str, asyncio.Lock] = {}

    def fetch_early(self, urls: Iterable[str]) -> None:
        """Begin to fetch what EXT-X-SESSION-KEY names; that it fails is told to who needs it."""
        for url in islice(urls, _EARLY):
            self._early[url] = asyncio.create_task(self._fetch(url))

    async def ask(self, url: str) -> bytes:
        """Answer what is at ``url``, as it was sent. Raises NetError."""
        early = self._early.pop(url, None)
        return await (early if early is not None else self._fetch(url))

    async def aclose(self) -> None:
        """End what nobody needed."""
        for early in self._early.values():
            early.cancel()
        await asyncio.gather(*self._early.values(), return_exceptions=True)

    async def _fetch(self, url: str) -> bytes:
        self._tally.requests += 1
        asked = monotonic()
        answer = await self._net.get_bytes(url, max_bytes=_MAX_KEY_BYTES)
        self._tally.answered(monotonic() - asked)
        self._tally.bytes_received += len(answer.body)
        return answer.body


class KeyRing:
    """The keys of one playlist. Belongs to the event loop."""

    def __init__(
        self,
        store: Assets,
        options: HlsOptions,
        names: CacheNames,
        playlist_url: str,
        known: KnownKeys,
        tally: Tally,
        publish: Callable[[HlsEvent], None],
    ) -> None:
        self._store = store
        self._options = options
        self._names = names
        self._playlist_url = playlist_url
        self._known = known
        self._tally = tally
        self._publish = publish
        self._kept: set[str] = set()

    async def get(self, key: EncryptionKey, *, segment_url: str) -> bytes:
        """Answer the bytes of a key: from memory, from the cache, or fetched and processed.

        Raises KeyInvalid, OfflineMiss, an error of net or store, or what key_processor raised.
        """
        known, before = self._known, self._known.failed.get(key.url)
        async with known.locks.setdefault(key.url, asyncio.Lock()):
            failed = known.failed.get(key.url)
            if failed is not None and failed is not before:
                raise failed  # while this one waited for it too
            if key.url not in self._kept:
                try:
                    known.by_url[key.url] = await self._load(key, segment_url)
                except (NetError, KeyInvalid) as error:
                    known.failed[key.url] = error
                    raise
                self._kept.add(key.url)
        return known.by_url[key.url]

    def name(self, key: EncryptionKey) -> ResourceKey:
        """Where a key lies in the cache."""
        return self._names.key(key.url)

    async def cached(self, key: EncryptionKey) -> bool:
        """Answer whether the key lies in the cache."""
        resource = self._store.open_atomic_resource(self._names.key(key.url))
        return resource.exists() and len(await resource.read()) == key.size

    async def _load(self, key: EncryptionKey, segment_url: str) -> bytes:
        resource = self._store.open_atomic_resource(self._names.key(key.url))
        if resource.exists():
            cached = await resource.read()
            if len(cached) == key.size:
                self._tally.bytes_cached += len(cached)
                self._publish(KeyFetched(url=redacted(key.url), cached=True))
                return cached
        found = self._known.by_url.get(key.url)
        if found is None:
            if self._options.offline:
                raise OfflineMiss(url=redacted(key.url), missing="the key")
            found = await self._fetch(key, segment_url)
            self._publish(KeyFetched(url=redacted(key.url), cached=False))
        await to_the_end(resource.write(found))
        return found

    async def _fetch(self, key: EncryptionKey, segment_url: str) -> bytes:
        context = KeyContext(
            segment_url=segment_url, playlist_url=self._playlist_url, method=key.method
        )
        length = 0
        for _ in range(_ATTEMPTS):
            body = await self._ask(key.url)
            process = self._options.key_processor
            answer = process(body, key.url, context) if process is not None else body
            found = await answer if inspect.isawaitable(answer) else answer
            if len(found) == key.size:
                return found
            length = len(found)
        raise KeyInvalid(url=key.url, segment_url=segment_url, length=length, expected=key.size)

    async def _ask(self, url: str) -> bytes:
        inline = inline_bytes(url)
        if inline is not None:
            return inline
        patience = Patience(self._options.retry, self._tally)
        while True:
            try:
                return await self._known.ask(url)
            except NetError as error:
                await patience.wait(error)
