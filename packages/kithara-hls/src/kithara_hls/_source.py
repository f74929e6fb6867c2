"""An HLS URL, before anything is fetched."""

import asyncio
from functools import partial
from types import TracebackType

from kithara_assets import AssetId, Assets, OfflineMiss, SpillingAssets
from kithara_net import Net, NetError
from kithara_stream import EventChannel

from ._abr_memory import RememberedPath
from ._choice import Choice
from ._errors import HlsError
from ._events import FailedOver, HlsEvent
from ._options import HlsOptions
from ._session import HlsSession
from ._tally import Tally
from ._track import Track
from ._variants import EXCLUDED_FOR, Variants

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

        A variant whose playlist cannot be had is left for another one. Raises PlaylistInvalid,
        UnsupportedHls, PlaylistLimit, VariantMissing, NoVariant, OfflineMiss, or the error of the
        network or the store that stood in the way.
        """
        tally = Tally()
        asset_root = AssetId.from_url(self.url).asset_root
        channel: EventChannel[HlsEvent] = EventChannel()
        told = partial(channel.publish_soon, asyncio.get_running_loop())
        store = SpillingAssets(self._store, told)
        variants = Variants(
            url=self.url,
            store=store,
            net=self._net,
            options=self._options,
            asset_root=asset_root,
            tally=tally,
            publish=channel.publish,
        )
        try:
            await variants.load()
            path = self._path()
            memory = await path.recall() if path is not None else None
            choice = Choice(variants, self._options, memory)
            track, variant = await self._first_track(variants, choice, channel)
        except BaseException:
            await variants.aclose()
            raise
        return HlsSession(
            store=store,
            net=self._net,
            options=self._options,
            variants=variants,
            choice=choice,
            asset_root=asset_root,
            track=track,
            variant=variant,
            channel=channel,
            tally=tally,
            path=path,
        )

    def _path(self) -> RememberedPath | None:
        """What is known of the path from before, where the built-in rule is to choose."""
        options = self._options
        chooses = options.variant == "auto" and options.abr_policy is None
        return RememberedPath(self._store, self.url) if chooses and not options.offline else None

    async def _first_track(
        self, variants: Variants, choice: Choice, channel: EventChannel[HlsEvent]
    ) -> tuple[Track, int]:
        first: NetError | HlsError | OfflineMiss | None = None
        while True:
            variant = choice.first()
            try:
                return await variants.load_track(variant), variant
            except (NetError, HlsError, OfflineMiss) as error:
                if not choice.may_avoid(error):
                    raise
                first = first or error
                variants.exclude(variant)
                if not choice.allowed(variants.alternates(variant)):
                    raise first from None
                channel.publish(
                    FailedOver(variant=variant, index=0, error=error, excluded_for=EXCLUDED_FOR)
                )

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
