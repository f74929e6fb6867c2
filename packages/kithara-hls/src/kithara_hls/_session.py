"""One open HLS recording: what its readers share, and what a user asks of it."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from kithara_assets import SpillingAssets
from kithara_net import Net
from kithara_stream import (
    Cancelled,
    EventChannel,
    MediaInfo,
    Reader,
    Subscription,
    TimedSource,
    TransferStats,
    to_the_end,
)

from ._abr_memory import RememberedPath
from ._choice import Choice
from ._downloads import Downloads
from ._events import HlsEvent
from ._offline import Completion, FetchProgress, Offline
from ._options import HlsOptions
from ._pipeline import Pipeline
from ._playlist import Variant
from ._table import PartTable
from ._tally import Tally
from ._track import Track
from ._variants import Variants
from ._view import View

__all__ = ("HlsSession",)


class HlsSession:
    """An open recording; made by `HlsSource.open`. An async context manager.

    Readers are synchronous file objects and belong in other threads than the event loop. They
    deliver init sections and segments one behind the other, decrypted. There is one place of
    playing: a seek of any reader moves all of them.
    """

    def __init__(
        self,
        *,
        store: SpillingAssets,
        net: Net,
        options: HlsOptions,
        variants: Variants,
        choice: Choice,
        asset_root: str,
        track: Track,
        variant: int,
        channel: EventChannel[HlsEvent],
        tally: Tally,
        path: RememberedPath | None,
    ) -> None:
        self._store = store
        self._path = path
        self._variants = variants
        self._choice = choice
        self._track = track
        self._channel = channel
        self._tally = tally
        self._loop = asyncio.get_running_loop()
        self._views: set[View] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._table = PartTable(store, lambda: self._pipeline.wake())
        self._downloads = Downloads(
            store=store,
            net=net,
            options=options,
            tally=tally,
            publish=channel.publish,
            gate=lambda download: self._pipeline.gate(download),
            changed=lambda: self._pipeline.wake(),
            sampled=choice.on_download,
            finished=self._table.finish,
        )
        self._pipeline = Pipeline(
            downloads=self._downloads,
            table=self._table,
            variants=variants,
            choice=choice,
            options=options,
            publish=channel.publish,
        )
        self._offline = Offline(
            store=store,
            variants=variants,
            downloads=self._downloads,
            options=options,
            asset_root=asset_root,
        )
        self._pipeline.begin(track, variant)
        self._running = asyncio.create_task(self._pipeline.run())
        self._running.add_done_callback(self._stopped)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What the playlist offers, in its order."""
        return self._variants.all

    @property
    def variant(self) -> Variant:
        """The one that is fetched now; what is heard may still be another."""
        return self._variants.all[self._pipeline.variant]

    @property
    def duration(self) -> float:
        """Seconds: what the playlist says, corrected by the timestamps that came so far."""
        return self._track.times.duration

    @property
    def start(self) -> float | None:
        """Where the playlist wants players to begin (EXT-X-START), in seconds; often None."""
        wanted = self._track.playlist.start
        if wanted is None:
            wanted = self._variants.start
        if wanted is None:
            return None
        return min(max(0.0, wanted if wanted >= 0 else self.duration + wanted), self.duration)

    @property
    def length(self) -> int | None:
        """None: the size in bytes is proven at the end only."""
        return None

    @property
    def media_info(self) -> MediaInfo:
        """What the playlist says of the whole; the container of each span is told by the span."""
        return MediaInfo(container="hls", codec=next(iter(self.variant.audio_codecs), None))

    @property
    def stats(self) -> TransferStats:
        """Requests sent, bytes from the network, bytes that were in the cache, so far."""
        return self._tally.stats()

    def source(self) -> TimedSource:
        """The bytes as one more reader sees them. Any thread may call."""
        view = View(
            table=self._table,
            codec_of=lambda index: next(iter(self._variants.all[index].audio_codecs), None),
            duration=lambda: self.duration,
            seek=self._pipeline.seek,
            loop=self._loop,
            left=self._left,
        )
        with self._lock:
            closed = self._closed
            self._views.add(view)
        if closed:
            view.close()
        return view

    def reader(self) -> Reader:
        """A file object over `source()`; closing it leaves the session open.

        It cannot seek by bytes; `seek_time` moves it.
        """
        return Reader(self.source())

    def events(self) -> Subscription[HlsEvent]:
        """What happened and what happens; ends when the session closes. On the event loop only."""
        return self._channel.subscribe()

    def select_variant(self, index: int | None) -> None:
        """Take what nobody has reached yet from a variant; None chooses for each segment.

        Takes effect at a segment's begin, without a gap. On the event loop only. Raises
        VariantMissing.
        """
        self._pipeline.select(index)

    async def wait_complete(self) -> None:
        """Fetch all to the end, read or not; returns when every piece is in the cache.

        What a seek left out is fetched too, from the variant that is played then. Raises the error
        that ended the session (the very object that readers get), or Cancelled if it is closed
        meanwhile.
        """
        self._pipeline.unbound()
        await self._pipeline.over.wait()
        if self._pipeline.error is not None:
            raise self._pipeline.error
        if self._pipeline.moved:
            await self.download()

    async def download(
        self,
        variants: Iterable[int] | None = None,
        *,
        on_progress: Callable[[FetchProgress], None] | None = None,
    ) -> None:
        """Fetch all of some variants (None: of the one played) for playing with no network.

        What is there already is not fetched again. ``on_progress`` is called on the event loop,
        after each segment. Raises VariantMissing, SegmentLost, DiskFull if some of it found no
        room, or what else a part failed with.
        """
        chosen = self._checked(variants)
        for index in chosen:
            await self._offline.fetch(index, on_progress or (lambda _: None))
        if self._store.degraded is not None and not await self.is_complete(chosen):
            raise self._store.degraded

    async def is_complete(self, variants: Iterable[int] | None = None) -> Completion:
        """Answer whether some variants (None: the one played) are in the cache, and what is not.

        Asks the network nothing. Raises VariantMissing.
        """
        missing: dict[str, None] = {}
        for index in self._checked(variants):
            missing.update(dict.fromkeys(await self._offline.missing(index)))
        return Completion(missing=tuple(missing))

    def _checked(self, variants: Iterable[int] | None) -> tuple[int, ...]:
        chosen = (self.variant.index,) if variants is None else tuple(variants)
        for index in chosen:
            self._variants.require(index)
        return chosen

    async def aclose(self) -> None:
        """Wake the readers, end the requests, let the cache go. Idempotent.

        Done to the end, however often who waits for it is cancelled.
        """
        await to_the_end(self._end())

    async def _end(self) -> None:
        with self._lock:
            first, self._closed = not self._closed, True
            views = list(self._views)
        for view in views:
            view.close()
        self._running.cancel()
        await asyncio.wait([self._running])
        await self._downloads.aclose()
        await self._variants.aclose()
        memory = self._choice.memory()
        if first and self._path is not None and memory is not None:
            await self._path.keep(memory)
        self._table.close()
        self._store.close()
        self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _stopped(self, running: asyncio.Task[None]) -> None:
        """The session is closing, or a rule of the user's raised: readers are told either way."""
        error = None if running.cancelled() else running.exception()
        self._pipeline.stop(error if isinstance(error, Exception) else Cancelled("the session"))

    def _left(self, view: View) -> None:
        with self._lock:
            self._views.discard(view)
