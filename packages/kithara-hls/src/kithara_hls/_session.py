"""One open HLS recording: the pipeline that fetches it, and what its readers share."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from kithara_assets import Assets
from kithara_net import Net
from kithara_stream import (
    Cancelled,
    EventChannel,
    MediaInfo,
    Reader,
    Source,
    Subscription,
    TransferStats,
)

from ._events import HlsEvent, SessionEnded, SessionFailed
from ._keys import KeyRing
from ._names import CacheNames
from ._options import HlsOptions
from ._parts import PartTable
from ._plan import PlannedPart, plan_parts, renewed_plan
from ._playlist import MediaPlaylist, Variant
from ._segments import SegmentFetcher
from ._tally import Tally
from ._view import View

__all__ = ("HlsSession",)

_AUDIO_CODECS: Final = ("mp4a", "mp3", "flac", "alac", "opus", "ac-3", "ec-3", "ac-4", "dts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The playlist to play, how it was come by, and what was offered.

    ``name`` is its name in the cache; ``cached`` says that it, or the list that led to it, was
    in the cache: its URLs may have expired.
    """

    name: str
    playlist: MediaPlaylist
    variants: tuple[Variant, ...]
    variant: Variant
    cached: bool
    opening: tuple[HlsEvent, ...]


class HlsSession:
    """An open recording; made by `HlsSource.open`. An async context manager.

    Readers are synchronous file objects and belong in other threads than the event loop. They
    deliver the variant's init section and segments one behind the other, decrypted.
    """

    def __init__(
        self,
        *,
        store: Assets,
        net: Net,
        options: HlsOptions,
        asset_root: str,
        chosen: Chosen,
        reload: Callable[[], Awaitable[MediaPlaylist]] | None,
        tally: Tally,
    ) -> None:
        self._chosen = chosen
        self._reload = reload
        self._tally = tally
        self._channel: EventChannel[HlsEvent] = EventChannel()
        self._table = PartTable(store, options.look_ahead)
        self._views: set[View] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._error: Exception | None = None
        self._over = asyncio.Event()
        self._codec = _audio_codec(chosen.variant.codecs)
        self._plan = tuple(plan_parts(chosen.playlist))
        names = {
            folder: CacheNames(asset_root, f"{folder}/{chosen.name}", resources)
            for folder, resources in (
                ("segments", [(p.url, p.byte_range) for p in self._plan if p.index is not None]),
                ("init", [(p.url, p.byte_range) for p in self._plan if p.index is None]),
                ("keys", [(p.key.url, None) for p in self._plan if p.key is not None]),
            )
        }
        publish = self._channel.publish
        self._fetcher = SegmentFetcher(
            store=store,
            net=net,
            offline=options.offline,
            segment_names=names["segments"],
            init_names=names["init"],
            keys=KeyRing(store, net, options, names["keys"], tally, publish),
            table=self._table,
            refresh=self._refresh,
            tally=tally,
            publish=publish,
        )
        self._pipeline = asyncio.create_task(self._run())
        self._pipeline.add_done_callback(self._pipeline_over)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What the playlist offers, in its order."""
        return self._chosen.variants

    @property
    def variant(self) -> Variant:
        """The one that is played."""
        return self._chosen.variant

    @property
    def duration(self) -> float:
        """Seconds, as the playlist says it; decoding may find a little more or less."""
        return self._chosen.playlist.duration

    @property
    def length(self) -> int | None:
        """None: the size in bytes is proven at the end only."""
        return None

    @property
    def media_info(self) -> MediaInfo:
        """What the playlist says of the whole; the container of each span is told by the span."""
        return MediaInfo(container="hls", codec=self._codec)

    @property
    def stats(self) -> TransferStats:
        """Requests sent, bytes from the network, bytes that were in the cache, so far."""
        return self._tally.stats()

    def source(self) -> Source:
        """The bytes as one more reader sees them. Any thread may call."""
        view = View(self._table, self._codec, self._left)
        with self._lock:
            closed = self._closed
            self._views.add(view)
        if closed:
            view.close()
        return view

    def reader(self) -> Reader:
        """A file object over `source()`; it cannot seek; closing it leaves the session open."""
        return Reader(self.source())

    def events(self) -> Subscription[HlsEvent]:
        """What happened and what happens; ends when the session closes. On the event loop only."""
        return self._channel.subscribe()

    async def wait_complete(self) -> None:
        """Fetch all of the variant, read or not; returns when every piece is in the cache.

        Raises the error that ended the session (the very object that readers get), or Cancelled
        if it is closed meanwhile.
        """
        self._table.unbound()
        await self._over.wait()
        if self._error is not None:
            raise self._error

    async def aclose(self) -> None:
        """Wake the readers, end the requests, let the cache go. Idempotent."""
        with self._lock:
            self._closed = True
            views = list(self._views)
        for view in views:
            view.close()
        self._pipeline.cancel()
        await asyncio.wait([self._pipeline])
        self._table.close()
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

    async def _run(self) -> None:
        for event in self._chosen.opening:
            self._channel.publish(event)
        for number in range(len(self._plan)):
            await self._fetcher.lay(self._plan[number])

    async def _refresh(self, expired: PlannedPart) -> PlannedPart | None:
        """Load a cached playlist anew, once; answer the same part with the URLs of today.

        None if that is no way: it was not from the cache, or describes other parts now.
        """
        reload, self._reload = self._reload, None
        if reload is None:
            return None
        renewed = renewed_plan(self._plan, await reload())
        if renewed is None:
            return None
        number, self._plan = self._plan.index(expired), renewed
        return renewed[number]

    def _pipeline_over(self, pipeline: asyncio.Task[None]) -> None:
        if pipeline.cancelled():
            self._error = Cancelled("the session")
        else:
            error = pipeline.exception()
            if isinstance(error, Exception):
                self._error = error
                self._table.fail(error)
                self._channel.publish(SessionFailed(error=error))
            else:
                self._table.end_here()
                self._channel.publish(SessionEnded(size=self._table.end))
        self._over.set()

    def _left(self, view: View) -> None:
        with self._lock:
            self._views.discard(view)


def _audio_codec(codecs: tuple[str, ...]) -> str | None:
    return next((codec for codec in codecs if codec.lower().startswith(_AUDIO_CODECS)), None)
