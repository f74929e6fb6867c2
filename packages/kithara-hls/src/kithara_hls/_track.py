"""A media playlist that can be played: its parts, their names in the cache, their times."""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from time import monotonic
from typing import Final

from kithara_assets import Assets, ResourceKey
from kithara_net import NetError

from ._errors import HlsError
from ._events import HlsEvent
from ._keys import KeyRing, KnownKeys
from ._names import CacheNames
from ._options import HlsOptions
from ._plan import PlannedPart, init_part, is_renewed, segment_part
from ._playlist import EncryptionKey, MediaPlaylist, Rendition
from ._tally import Tally
from ._timeline import MediaClock, Timetable

__all__ = ("Track",)

_RELOADED_EVERY: Final = 30.0  # seconds, where nothing tells that a playlist gives good URLs


class Track:
    """The segments of a variant, or of the rendition that is its audio. Belongs to the loop.

    ``name`` is that of its playlist in the cache; variants may share a track. ``cached`` says
    that the playlist came from there. ``reload`` fetches it anew, None offline. ``answered`` is
    set when a server gives a part: the URLs of the playlist are good, or were.
    """

    def __init__(
        self,
        *,
        name: str,
        playlist: MediaPlaylist,
        rendition: Rendition | None,
        cached: bool,
        reload: Callable[[], Awaitable[MediaPlaylist]] | None,
        asset_root: str,
        store: Assets,
        options: HlsOptions,
        clock: MediaClock,
        known_keys: KnownKeys,
        tally: Tally,
        publish: Callable[[HlsEvent], None],
    ) -> None:
        self.name = name
        self.playlist = playlist
        self.rendition = rendition
        self.times = Timetable(playlist.segments, clock)
        self.bytes_seen = 0
        self.seconds_seen = 0.0
        self._reload = reload
        self._reloading = asyncio.Lock()
        self._loaded_at = -inf if cached else monotonic()
        self.answered = False
        segments = playlist.segments
        inits = {segment.init for segment in segments if segment.init is not None}
        keys = {segment.key for segment in segments} | {init.key for init in inits}

        def names(folder: str, parts: list[tuple[str, object]]) -> CacheNames:
            return CacheNames(asset_root, f"{folder}/{name}", parts)  # type: ignore[arg-type] # pairs of URL and range

        self._segment_names = names("segments", [(s.url, s.byte_range) for s in segments])
        self._init_names = names("init", [(i.url, i.byte_range) for i in inits])
        self.keys = KeyRing(
            store,
            options,
            names("keys", [(key.url, None) for key in keys if key is not None]),
            playlist.url,
            known_keys,
            tally,
            publish,
        )

    def __len__(self) -> int:
        return len(self.playlist.segments)

    def segment(self, index: int) -> PlannedPart:
        """The part that holds a segment."""
        return segment_part(self.playlist.segments[index])

    def init(self, index: int) -> PlannedPart | None:
        """The part that holds a segment's init section; None if it has none."""
        init = self.playlist.segments[index].init
        return init_part(init) if init is not None else None

    def key_of(self, planned: PlannedPart) -> ResourceKey:
        """Where a part lies in the cache."""
        names = self._init_names if planned.index is None else self._segment_names
        return names.key(planned.url, planned.byte_range)

    def ends_span(self, index: int) -> bool:
        """Whether a decoder has to start anew behind a segment, by the playlist."""
        segments = self.playlist.segments
        if index + 1 == len(segments):
            return True
        after = segments[index + 1]
        return after.discontinuity or after.init != segments[index].init

    @property
    def rate(self) -> float | None:
        """Bytes a second, as they were seen; None before any were."""
        return self.bytes_seen / self.seconds_seen if self.seconds_seen else None

    def saw(self, size: int, seconds: float) -> None:
        """Learn how many bytes so many seconds have."""
        self.bytes_seen += size
        self.seconds_seen += seconds

    def all_keys(self) -> list[EncryptionKey]:
        """The keys of all parts, each once."""
        segments = self.playlist.segments
        keys = [*(s.key for s in segments), *(s.init.key for s in segments if s.init is not None)]
        return list({key.url: key for key in keys if key is not None}.values())

    async def renewed(self, expired: PlannedPart) -> PlannedPart | None:
        """Answer a part that was refused with the URLs of today, loading the playlist anew.

        None if that is no way: the playlist was loaded just now and nothing came by it, it cannot
        be loaded, describes other parts now, or has the same URLs.
        """
        async with self._reloading:
            renewed = self._with_other_urls(expired)
            if renewed is not None or self._reload is None or not self._may_reload(expired):
                return renewed
            self._loaded_at, self.answered = monotonic(), False
            try:
                fresh = await self._reload()
            except (NetError, HlsError):
                return None  # that the part was refused tells more
            if is_renewed(self.playlist, fresh):
                self.playlist = fresh
            return self._with_other_urls(expired)

    def _may_reload(self, expired: PlannedPart) -> bool:
        if monotonic() - self._loaded_at >= _RELOADED_EVERY:
            return True
        has_token = "?" in expired.url or (expired.key is not None and "?" in expired.key.url)
        return self.answered and has_token

    def _with_other_urls(self, part: PlannedPart) -> PlannedPart | None:
        """The same part by the playlist of now; None if that has the same URLs."""
        if part.index is not None:
            found = self.segment(part.index)
            return found if found != part else None
        for index in range(len(self)):
            init = self.init(index)
            if init is not None and init != part and self.key_of(init) == self.key_of(part):
                return init
        return None
