"""Writes down what happens in a session while it happens; bounded, and cheap enough for always."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from _kithara._urls import shown
from kithara_decode import AudioStream, PcmChunk
from kithara_file import FileEvent, Progress
from kithara_hls import BufferLevel, HlsEvent, HlsSession, ThroughputSample
from kithara_net import BytesReceived, DnsResolved, TraceEvent
from kithara_net import Connected as NetConnected
from kithara_stream import Subscription

from ._record import FirstPcm, Noted, RecordedEvent, SessionRecord, Sought
from ._series import BinSeries, PeakSeries, SampleSeries
from ._session import Session

MOST_EVENTS = 20_000

Events: TypeAlias = Subscription[FileEvent] | Subscription[HlsEvent]
_NOT_NOTED = (Progress, ThroughputSample, DnsResolved, NetConnected)


class Recorder:
    """Takes the events of one session, its requests and its sound; `record` tells them."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = shown(url)
        self._clock = clock
        self._began = clock()
        self._began_at = time.time()
        self._events: deque[Noted] = deque(maxlen=MOST_EVENTS)
        self._received = BinSeries()
        self._buffered = SampleSeries()
        self._peaks = PeakSeries()
        self._silent = True
        self._watched: Events | None = None
        self._traced = False
        self._progressed = 0

    def note(self, event: RecordedEvent) -> None:
        """Write down one event. Any thread may call."""
        at = self._clock() - self._began
        match event:
            case BytesReceived():
                self._traced = True
                self._received.add(at, event.count)
            case ThroughputSample() if not self._traced:  # the net is not ours, and tells nothing
                self._received.add(at, event.bytes)
            case Progress() if not self._traced:
                self._received.add(at, event.received - self._progressed)
                self._progressed = event.received
            case BufferLevel():
                self._buffered.add(at, event.seconds)
            case _ if not isinstance(event, _NOT_NOTED):
                self._events.append(Noted(at=at, event=event))

    def on_net(self, event: TraceEvent) -> None:
        """Write down what a client of ours tells."""
        self.note(event)

    def watch(self, session: Session) -> Callable[[], Awaitable[None]]:
        """Write down the events of a session until what is answered is called, those included."""
        subscription: Events = session.events()
        self._watched = subscription

        async def watch() -> None:
            async for event in subscription:
                self.note(event)

        async def stop() -> None:
            task.cancel()
            await asyncio.wait([task])
            subscription.close()
            await watch()

        task = asyncio.create_task(watch())
        return stop

    def heard(self, chunk: PcmChunk) -> None:
        """Write down a chunk that was handed out."""
        start = chunk.start / chunk.spec.sample_rate
        if self._silent:
            self._silent = False
            self.note(FirstPcm(position=start))
        self._peaks.add(start, chunk.data, chunk.spec.sample_rate)

    def sought(self, seconds: float, position: float) -> None:
        """Write down a seek."""
        self._silent = True
        self.note(Sought(seconds=seconds, position=position))

    def record(self, session: Session, audio: AudioStream | None) -> SessionRecord:
        """What happened so far. Belongs to the event loop of the session while that is open."""
        for event in () if self._watched is None else self._watched.take():
            self.note(event)
        stats = session.stats
        is_hls = isinstance(session, HlsSession)
        spec = None if audio is None else audio.spec
        return SessionRecord(
            url=self._url,
            kind="hls" if is_hls else "file",
            container=session.media_info.container,
            spec=spec,
            duration=session.duration
            if isinstance(session, HlsSession)
            else (None if audio is None else audio.duration),
            began=self._began_at,
            seconds=self._clock() - self._began,
            events=tuple(self._events),
            received=self._received.bins(),
            buffered=self._buffered.samples(),
            waveform=self._peaks.peaks(),
            requests=stats.requests,
            bytes_received=stats.bytes_received,
            bytes_cached=stats.bytes_cached,
            underruns=0 if audio is None else audio.stats.underruns,
            losses=()
            if audio is None or spec is None
            else tuple(loss.frame / spec.sample_rate for loss in audio.losses),
        )
