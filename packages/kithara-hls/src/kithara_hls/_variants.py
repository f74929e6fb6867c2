"""What a recording offers: its variants, and the tracks that hold their audio."""

from collections.abc import Callable
from time import monotonic
from typing import Final

from kithara_assets import Assets
from kithara_net import Net

from ._errors import VariantMissing
from ._events import HlsEvent, PlaylistLoaded
from ._keys import KnownKeys
from ._loading import PlaylistLoader
from ._options import HlsOptions
from ._playlist import MediaPlaylist, MultivariantPlaylist, Rendition, Variant
from ._tally import Tally
from ._timeline import MediaClock
from ._track import Track
from ._urls import redacted

__all__ = ("EXCLUDED_FOR", "Variants")

_LOSSLESS: Final = ("flac", "alac")  # of those that HLS allows: encoders that delay nothing
EXCLUDED_FOR: Final = 60.0
"""Seconds for which a variant that failed is not asked for; Media3 takes as long."""


class Variants:
    """The variants of one recording, their tracks, and which of them failed lately."""

    def __init__(
        self,
        *,
        url: str,
        store: Assets,
        net: Net,
        options: HlsOptions,
        asset_root: str,
        tally: Tally,
        publish: Callable[[HlsEvent], None],
    ) -> None:
        self.url = url
        self.all: tuple[Variant, ...] = ()
        self._store = store
        self._options = options
        self._asset_root = asset_root
        self._tally = tally
        self._publish = publish
        self._loader = PlaylistLoader(store, net, options, asset_root, tally)
        self._top: MultivariantPlaylist | MediaPlaylist | None = None
        self._top_cached = False
        self._tracks: dict[str, Track] = {}
        self._failed_until: dict[int, float] = {}
        self._clock = MediaClock()
        self._known_keys = KnownKeys(net, tally)

    async def load(self) -> None:
        """Load the playlist of the URL. Raises as `PlaylistLoader.load`."""
        top, cached = await self._loader.load(self.url, "master")
        self._publish(_loaded(top, cached=cached))
        self._top, self._top_cached = top, cached
        if isinstance(top, MediaPlaylist):
            self.all = (_only_variant(top),)
            return
        self.all = top.variants
        if not cached:
            self._known_keys.fetch_early(top.session_keys)

    async def aclose(self) -> None:
        """End the requests that nobody waits for."""
        await self._known_keys.aclose()

    def choose(self) -> int | None:
        """Answer the variant that the options name; None for "auto" where there are several.

        Raises VariantMissing.
        """
        wanted = self._options.variant
        if wanted == "auto":
            return 0 if len(self.all) == 1 else None
        steered = self.steered()
        if wanted == "best":
            return max(steered, key=lambda v: (v.bandwidth, -v.index)).index
        if wanted == "worst":
            return min(steered, key=lambda v: (v.bandwidth, v.index)).index
        self.require(wanted)
        return wanted

    @property
    def start(self) -> float | None:
        """TIME-OFFSET of EXT-X-START in the multivariant playlist, if it has one."""
        return self._top.start if self._top is not None else None

    def steered(self) -> tuple[Variant, ...]:
        """The variants of the pathway to begin with; those of others are their backups."""
        pathway = self._top.pathway if isinstance(self._top, MultivariantPlaylist) else None
        return tuple(v for v in self.all if v.pathway == pathway) or self.all

    def backups(self) -> frozenset[int]:
        """The variants of other pathways, taken only where one of the first one failed."""
        return frozenset(v.index for v in self.all) - {v.index for v in self.steered()}

    def require(self, index: int) -> None:
        """Raise VariantMissing unless there is a variant of that index."""
        if not 0 <= index < len(self.all):
            raise VariantMissing(index, len(self.all), url=self.url)

    def rendition(self, index: int) -> Rendition | None:
        """The rendition that is a variant's audio, if it names a group of them."""
        if not isinstance(self._top, MultivariantPlaylist):
            return None
        return self._top.rendition_for(self.all[index], self._options.language)

    def track_name(self, index: int) -> str:
        """The name of a variant's track; variants with the same rendition share it."""
        if isinstance(self._top, MediaPlaylist):
            return "master"
        rendition = self.rendition(index)
        if rendition is not None and rendition.url is not None:
            return f"audio_{rendition.index}"
        return f"variant_{index}"

    def track(self, index: int) -> Track | None:
        """The track of a variant, if its playlist was loaded."""
        return self._tracks.get(self.track_name(index))

    def by_name(self, name: str) -> Track:
        """A track that was loaded."""
        return self._tracks[name]

    async def load_track(self, index: int) -> Track:
        """The track of a variant; its playlist is loaded if it was not. Raises as `load`."""
        name = self.track_name(index)
        if name in self._tracks:
            return self._tracks[name]
        assert self._top is not None
        if isinstance(self._top, MediaPlaylist):
            playlist, cached = self._top, self._top_cached
        else:
            playlist, cached = await self._loader.load_media(
                self._track_url(index), name, self._top.variables
            )
            self._publish(_loaded(playlist, cached=cached))

        async def reload() -> MediaPlaylist:
            return await self._reload(index)

        track = Track(
            name=name,
            playlist=playlist,
            rendition=self.rendition(index),
            cached=cached or self._top_cached,
            reload=reload if not self._options.offline else None,
            asset_root=self._asset_root,
            store=self._store,
            options=self._options,
            clock=self._clock,
            known_keys=self._known_keys,
            tally=self._tally,
            publish=self._publish,
        )
        return self._tracks.setdefault(name, track)

    def may_leave_hole(self, before: Track, after: Track) -> bool:
        """Answer whether the sound of ``after`` may begin later than that of ``before`` ended.

        It may where the playlist tells different codecs: an encoder delays the sound by some of
        its own, so that the one before has less of it in the same time. A lossless one has all.
        """
        one, two = (
            {v.audio_codecs for v in self.all if self.track_name(v.index) == name}
            for name in (before.name, after.name)
        )
        if () in one | two or not one.isdisjoint(two):
            return False
        return not all(codec.lower().startswith(_LOSSLESS) for codecs in one for codec in codecs)

    def exclude(self, index: int) -> None:
        """Do not ask for a variant for a while, nor for others that have the same track."""
        until = monotonic() + EXCLUDED_FOR
        name = self.track_name(index)
        for variant in self.all:
            if self.track_name(variant.index) == name:
                self._failed_until[variant.index] = until

    def forgive(self) -> None:
        """Ask for every variant again."""
        self._failed_until.clear()

    def excluded(self) -> frozenset[int]:
        """The variants that failed lately."""
        now = monotonic()
        return frozenset(i for i, until in self._failed_until.items() if until > now)

    def alternates(self, index: int) -> list[int]:
        """The variants to take instead of one that failed, best first.

        First those that the playlist has twice (RFC 8216, 4.3.4.2), then the nearest below, then
        the nearest above.
        """
        lost = self.all[index]
        excluded = self.excluded()
        left = [v for v in self.all if v.index not in excluded and v.index != index]

        def rank(variant: Variant) -> tuple[bool, bool, int]:
            twin = variant.bandwidth == lost.bandwidth and variant.codecs == lost.codecs
            above = variant.bandwidth > lost.bandwidth
            return not twin, above, abs(variant.bandwidth - lost.bandwidth)

        return [variant.index for variant in sorted(left, key=rank)]

    def _track_url(self, index: int) -> str:
        rendition = self.rendition(index)
        if rendition is not None and rendition.url is not None:
            return rendition.url
        return self.all[index].url

    async def _reload(self, index: int) -> MediaPlaylist:
        """Fetch the playlists of a variant anew, from the URL on: tokens are in all of them."""
        top, _ = await self._loader.load(self.url, "master", fresh=True)
        self._publish(_loaded(top, cached=False))
        if isinstance(top, MediaPlaylist):
            return top
        if not isinstance(self._top, MultivariantPlaylist) or len(top.variants) != len(self.all):
            raise VariantMissing(index, len(top.variants), url=self.url)
        self._top, self.all = top, top.variants
        url, name = self._track_url(index), self.track_name(index)
        playlist, _ = await self._loader.load_media(url, name, top.variables, fresh=True)
        self._publish(_loaded(playlist, cached=False))
        return playlist


def _only_variant(playlist: MediaPlaylist) -> Variant:
    return Variant(
        index=0,
        bandwidth=0,
        average_bandwidth=None,
        codecs=(),
        resolution=None,
        audio_group=None,
        url=playlist.url,
    )


def _loaded(playlist: MultivariantPlaylist | MediaPlaylist, *, cached: bool) -> PlaylistLoaded:
    is_media = isinstance(playlist, MediaPlaylist)
    return PlaylistLoaded(
        kind="media" if is_media else "multivariant",
        url=redacted(playlist.url),
        segments=len(playlist.segments) if isinstance(playlist, MediaPlaylist) else 0,
        cached=cached,
    )
