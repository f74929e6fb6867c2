"""A media playlist that can be played: its parts, their names in the cache, their times."""

import asyncio
from collections.abc import Awaitable, Callable

from kithara_assets import Assets, ResourceKey

from ._events import HlsEvent
from ._keys import KeyRing, KnownKeys
from ._names import CacheNames
from ._options import HlsOptions
from ._plan import PlannedPart, init_part, is_renewed, segment_part
from ._playlist import EncryptionKey, MediaPlaylist, Rendition
from ._tally import Tally
from ._timeline import MediaClock, Timetable

__all__ = ("Track",)


class Track:
    """The segments of a variant, or of the rendition that is its audio. Belongs to the loop.

    ``name`` is that of its playlist in the cache; variants may share a track. ``reload`` fetches
    the playlist anew, None where that would be no use: it was not from the cache.
    """

    def __init__(
        self,
        *,
        name: str,
        playlist: MediaPlaylist,
        rendition: Rendition | None,
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
        """Load a cached playlist anew, once; answer the same part with the URLs of today.

        None if that is no way: it was not from the cache, describes other parts now, or has the
        same URLs.
        """
        async with self._reloading:
            reload, self._reload = self._reload, None
            if reload is not None:
                fresh = await reload()
                if is_renewed(self.playlist, fresh):
                    self.playlist = fresh
        if expired.index is not None:
            fresh_part = self.segment(expired.index)
            return fresh_part if fresh_part != expired else None
        for index in range(len(self)):
            part = self.init(index)
            if part is not None and part != expired and self.key_of(part) == self.key_of(expired):
                return part
        return None
