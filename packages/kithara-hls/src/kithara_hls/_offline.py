"""Everything of some variants into the cache, and what of it is missing there."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from kithara_assets import Assets, ResourceKey
from kithara_net import NetError

from ._download import Download
from ._downloads import Downloads
from ._names import playlist_key
from ._options import HlsOptions
from ._steps import Position, Step
from ._track import Track
from ._variants import Variants

__all__ = ("Completion", "FetchProgress", "Offline")


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchProgress:
    """How far a download is: segments of one variant that are in the cache, of how many."""

    variant: int
    segments: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """Whether all of some variants can be played with no network; true in a condition if so.

    ``missing`` names what is not there: paths in the asset's folder of the cache.
    """

    missing: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.missing


class Offline:
    """Downloads variants, whoever reads. Belongs to the event loop."""

    def __init__(
        self,
        *,
        store: Assets,
        variants: Variants,
        downloads: Downloads,
        options: HlsOptions,
        asset_root: str,
    ) -> None:
        self._store = store
        self._variants = variants
        self._downloads = downloads
        self._options = options
        self._asset_root = asset_root

    async def fetch(self, variant: int, told: Callable[[FetchProgress], None]) -> None:
        """Fetch every part and key of a variant that is not in the cache; gaps are left out.

        Raises SegmentLost, or what else a part failed with; no other variant is asked.
        """
        track = await self._variants.load_track(variant)
        running: dict[asyncio.Task[None], tuple[int, Download]] = {}
        there = 0
        try:
            for index in range(len(track)):
                if track.playlist.segments[index].gap or self._has(track, index):
                    there += 1
                    continue
                self._begin(track, index, variant, running)
                while len(running) >= self._options.parallel:
                    there += await self._settle(track, variant, running)
                    told(FetchProgress(variant=variant, segments=there, of=len(track)))
            while running:
                there += await self._settle(track, variant, running)
                told(FetchProgress(variant=variant, segments=there, of=len(track)))
        finally:
            for _, download in running.values():
                self._downloads.release(download)
        for key in track.all_keys():
            if not await track.keys.cached(key):
                await track.keys.get(key, segment_url=track.playlist.url)

    async def missing(self, variant: int) -> tuple[str, ...]:
        """Name what of a variant is not in the cache. Asks the network nothing."""
        name = self._variants.track_name(variant)
        lists = {"master", name}
        missing = [
            key.rel_path
            for key in (playlist_key(self._asset_root, name) for name in sorted(lists))
            if not self._is_there(key)
        ]
        if missing:
            return tuple(missing)
        track = await self._variants.load_track(variant)
        keys: dict[ResourceKey, None] = {}
        for index, segment in enumerate(track.playlist.segments):
            init = track.init(index)
            if not segment.gap:
                keys.update({track.key_of(p): None for p in (init, track.segment(index)) if p})
        missing = [key.rel_path for key in keys if not self._is_there(key)]
        for encryption_key in track.all_keys():
            if not await track.keys.cached(encryption_key):
                missing.append(track.keys.name(encryption_key).rel_path)
        return tuple(missing)

    def _begin(
        self,
        track: Track,
        index: int,
        variant: int,
        running: dict[asyncio.Task[None], tuple[int, Download]],
    ) -> None:
        """Fetch what of a segment is not there; what runs for another one too is wanted once."""
        for planned in (track.init(index), track.segment(index)):
            if planned is not None and not self._is_there(track.key_of(planned)):
                download = self._downloads.get(planned, track, variant)
                assert download.task is not None
                counts = 1 if planned.index is not None else 0
                if download.task in running:
                    self._downloads.release(download)
                    counts += running[download.task][0]
                running[download.task] = (counts, download)

    async def _settle(
        self,
        track: Track,
        variant: int,
        running: dict[asyncio.Task[None], tuple[int, Download]],
    ) -> int:
        """Wait for one of them at least; answer how many segments are there now."""
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        there = 0
        for task in done:
            counts, download = running.pop(task)
            self._downloads.release(download)
            there += counts
            error = download.error
            if isinstance(error, NetError):
                index = download.planned.index or 0
                raise Step(variant=variant, position=Position(track=track, index=index)).lost(error)
            if error is not None:
                raise error
        return there

    def _has(self, track: Track, index: int) -> bool:
        parts = (track.init(index), track.segment(index))
        return all(self._is_there(track.key_of(part)) for part in parts if part is not None)

    def _is_there(self, key: ResourceKey) -> bool:
        return self._store.open_atomic_resource(key).exists()
