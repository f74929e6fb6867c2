"""Keys of encrypted parts: fetched once, cached processed, never shown."""

from collections.abc import Callable

from kithara_assets import Assets, OfflineMiss
from kithara_net import Net

from ._cipher import BLOCK
from ._errors import KeyInvalid
from ._events import HlsEvent, KeyFetched
from ._names import CacheNames
from ._options import HlsOptions
from ._playlist import EncryptionKey
from ._tally import Tally
from ._urls import redacted

__all__ = ("KeyRing",)

_ATTEMPTS = 2
_MAX_KEY_BYTES = 64 * 1024


class KeyRing:
    """The keys of one playlist. Belongs to the event loop."""

    def __init__(
        self,
        store: Assets,
        net: Net,
        options: HlsOptions,
        names: CacheNames,
        tally: Tally,
        publish: Callable[[HlsEvent], None],
    ) -> None:
        self._store = store
        self._net = net
        self._options = options
        self._names = names
        self._tally = tally
        self._publish = publish
        self._known: dict[str, bytes] = {}

    async def get(self, key: EncryptionKey, *, segment_url: str) -> bytes:
        """Answer the 16 bytes: from memory, from the cache, or fetched and processed.

        Raises KeyInvalid, OfflineMiss, an error of net or store, or what key_processor raised.
        """
        if key.url not in self._known:
            self._known[key.url] = await self._load(key.url, segment_url)
        return self._known[key.url]

    async def _load(self, url: str, segment_url: str) -> bytes:
        resource = self._store.open_atomic_resource(self._names.key(url))
        if resource.exists():
            cached = await resource.read()
            if len(cached) == BLOCK:
                self._tally.bytes_cached += BLOCK
                self._publish(KeyFetched(url=redacted(url), cached=True))
                return cached
        if self._options.offline:
            raise OfflineMiss(url=redacted(url), missing="the key")
        fetched = await self._fetch(url, segment_url)
        await resource.write(fetched)
        self._publish(KeyFetched(url=redacted(url), cached=False))
        return fetched

    async def _fetch(self, url: str, segment_url: str) -> bytes:
        length = 0
        for _ in range(_ATTEMPTS):
            self._tally.requests += 1
            answer = await self._net.get_bytes(url, max_bytes=_MAX_KEY_BYTES)
            self._tally.bytes_received += len(answer.body)
            process = self._options.key_processor
            found = process(answer.body, url) if process is not None else answer.body
            if len(found) == BLOCK:
                return found
            length = len(found)
        raise KeyInvalid(url=url, segment_url=segment_url, length=length)
