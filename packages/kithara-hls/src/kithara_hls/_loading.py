"""Playlists: from the cache if they are there, else from the network, kept once they are good."""

import asyncio
import posixpath
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TypeVar, TypeVarTuple
from urllib.parse import urlsplit

from kithara_assets import Assets, OfflineMiss
from kithara_net import FetchedBytes, Net, NetError
from kithara_stream import to_the_end

from ._errors import PlaylistInvalid
from ._names import final_url_key, playlist_key
from ._options import HlsOptions
from ._parse import parse_playlist
from ._patience import Patience
from ._playlist import MediaPlaylist, MultivariantPlaylist
from ._tally import Tally
from ._urls import canonical, redacted

__all__ = ("PlaylistLoader",)

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class PlaylistLoader:
    """Loads the playlists of one asset. Belongs to the event loop."""

    def __init__(
        self, store: Assets, net: Net, options: HlsOptions, asset_root: str, tally: Tally
    ) -> None:
        self._store = store
        self._net = net
        self._options = options
        self._asset_root = asset_root
        self._tally = tally

    async def load(
        self,
        url: str,
        name: str,
        *,
        fresh: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> tuple[MultivariantPlaylist | MediaPlaylist, bool]:
        """Answer the playlist ``name`` from ``url``, and whether it was in the cache.

        A ``fresh`` one is fetched even if it is, and takes its place.
        Raises PlaylistInvalid, UnsupportedHls, PlaylistLimit, OfflineMiss or an error of net or
        store. A playlist that is refused is not kept.
        """
        resource = self._store.open_atomic_resource(playlist_key(self._asset_root, name))
        noted = self._store.open_atomic_resource(final_url_key(self._asset_root, name))
        if resource.exists() and not fresh:
            body = await resource.read()
            self._tally.bytes_cached += len(body)
            base = (await noted.read()).decode() if noted.exists() else url
            return await _aside(self._parse, body, base, variables), True
        if self._options.offline:
            called = posixpath.basename(urlsplit(url).path)  # ``name`` is the cache's own
            raise OfflineMiss(url=redacted(url), missing=f"the playlist {called}".rstrip())
        answer = await self._fetch(url)
        final = answer.head.final_url
        redirected = canonical(final) != canonical(url)
        # The final URL has no user-info; where it is the URL asked for, its own holds for segments.
        base = final if redirected else url
        parsed = await _aside(self._parse, answer.body, base, variables)
        if redirected:
            await to_the_end(noted.write(redacted(final).encode()))
        await to_the_end(resource.write(answer.body))
        return parsed, False

    async def load_media(
        self, url: str, name: str, variables: Mapping[str, str], *, fresh: bool = False
    ) -> tuple[MediaPlaylist, bool]:
        """As `load`, where only a media playlist will do; it may import ``variables``."""
        parsed, cached = await self.load(url, name, fresh=fresh, variables=variables)
        if isinstance(parsed, MultivariantPlaylist):
            raise PlaylistInvalid("a variant leads to another multivariant playlist", url=url)
        return parsed, cached

    async def _fetch(self, url: str) -> FetchedBytes:
        patience = Patience(self._options.retry, self._tally, may_come=False)
        while True:
            self._tally.requests += 1
            asked = monotonic()
            try:
                answer = await self._net.get_bytes(url, max_bytes=self._options.max_playlist_bytes)
            except NetError as error:
                await patience.wait(error)
            else:
                self._tally.answered(monotonic() - asked)
                self._tally.bytes_received += len(answer.body)
                return answer

    def _parse(
        self, body: bytes, base: str, variables: Mapping[str, str] | None
    ) -> MultivariantPlaylist | MediaPlaylist:
        """In a thread: a list of a megabyte takes half a second."""
        parsed = parse_playlist(
            body,
            base,
            max_bytes=self._options.max_playlist_bytes,
            max_segments=self._options.max_segments,
            variables=variables,
        )
        if isinstance(parsed, MediaPlaylist):
            parsed.require_playable()
        return parsed


async def _aside(function: Callable[[*_Ts], _T], *args: *_Ts) -> _T:
    """Call in a thread of its own: readers may block in all of the loop's."""
    with ThreadPoolExecutor(1, "kithara-playlist") as aside:
        return await asyncio.get_running_loop().run_in_executor(aside, function, *args)
