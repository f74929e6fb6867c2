"""An HLS URL, before anything is fetched."""

from types import TracebackType

from kithara_assets import AssetId, Assets
from kithara_net import Net

from ._errors import VariantMissing
from ._events import HlsEvent, PlaylistLoaded, VariantSelected
from ._loading import PlaylistLoader
from ._options import HlsOptions
from ._playlist import MediaPlaylist, MultivariantPlaylist, Rendition, Variant
from ._session import Chosen, HlsSession
from ._tally import Tally
from ._urls import redacted

__all__ = ("HlsSource",)


class HlsSource:
    """One HLS recording (VOD), fetched through ``net`` into ``store``.

    Nothing happens before `open()`, or before it is entered as an async context manager, which
    opens a session and closes it at the end.
    """

    def __init__(
        self, url: str, *, store: Assets, net: Net, options: HlsOptions | None = None
    ) -> None:
        self.url = url
        self._store = store
        self._net = net
        self._options = options or HlsOptions()
        self._entered: HlsSession | None = None

    async def open(self) -> HlsSession:
        """Load the playlists, choose the variant, begin to fetch.

        Raises PlaylistInvalid, UnsupportedHls, PlaylistLimit, VariantMissing, OfflineMiss, or the
        error of the network or the store that stood in the way.
        """
        asset_root = AssetId.from_url(self.url).asset_root
        tally = Tally()
        loader = PlaylistLoader(self._store, self._net, self._options, asset_root, tally)
        chosen = await self._choose_playlist(loader, fresh=False)

        async def reload() -> MediaPlaylist:
            return (await self._choose_playlist(loader, fresh=True)).playlist

        return HlsSession(
            store=self._store,
            net=self._net,
            options=self._options,
            asset_root=asset_root,
            chosen=chosen,
            reload=reload if chosen.cached and not self._options.offline else None,
            tally=tally,
        )

    async def _choose_playlist(self, loader: PlaylistLoader, *, fresh: bool) -> Chosen:
        top, cached = await loader.load(self.url, "master", fresh=fresh)
        opening: list[HlsEvent] = [_loaded(top, cached=cached)]
        any_cached = cached
        rendition: Rendition | None = None
        variants: tuple[Variant, ...]
        if isinstance(top, MediaPlaylist):
            name, playlist, variants = "master", top, (_only_variant(top),)
            variant = self._choose(variants)
        else:
            variants = top.variants
            variant = self._choose(variants)
            rendition = top.rendition_for(variant)
            name, url = f"variant_{variant.index}", variant.url
            if rendition is not None and rendition.url is not None:
                name, url = f"audio_{rendition.index}", rendition.url
            playlist, cached = await loader.load_media(url, name, fresh=fresh)
            any_cached = any_cached or cached
            opening.append(_loaded(playlist, cached=cached))
        opening.append(VariantSelected(variant=variant, rendition=rendition))
        return Chosen(
            name=name,
            playlist=playlist,
            variants=variants,
            variant=variant,
            cached=any_cached,
            opening=tuple(opening),
        )

    def _choose(self, variants: tuple[Variant, ...]) -> Variant:
        wanted = self._options.variant
        if wanted == "best":
            return max(variants, key=lambda v: (v.bandwidth, -v.index))
        if wanted == "worst":
            return min(variants, key=lambda v: (v.bandwidth, v.index))
        if not 0 <= wanted < len(variants):
            raise VariantMissing(wanted, len(variants), url=self.url)
        return variants[wanted]

    async def __aenter__(self) -> HlsSession:
        if self._entered is not None:
            raise RuntimeError("the source is entered already; call open() for one more session")
        self._entered = session = await self.open()
        return session

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        session, self._entered = self._entered, None
        if session is not None:
            await session.aclose()


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
