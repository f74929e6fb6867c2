"""The bounded queue between a decode thread and its consumer, be that a thread or a task."""

import asyncio
import contextlib
import functools
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from ._errors import DecoderClosed
from ._losses import Loss
from ._pcm import PcmChunk, PcmSpec
from ._stats import StreamStats

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What the decoder of the first span said when it was opened."""

    spec: PcmSpec
    frames: int | None
    tags: Mapping[str, str]


def _nothing() -> None:
    pass


class ChunkQueue:
    """Chunks in their order, then the end or an error; bounded by seconds of sound.

    The producer waits while it is full, and goes on once half of it is free. A consumer that
    waits is woken for a batch, or by `hand_over` for what there is: a change of threads costs as
    much as the decoding of a chunk. No batch is longer than what was taken since playing began, so
    that whoever plays meanwhile never runs dry by it.

    A seek drops what is queued and sends the producer elsewhere, after the end and after an error
    too; the last one counts. `close` drops everything and wakes everybody; after it the consumer
    sees the end, whatever the producer ran into.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._batch = seconds / 2  # what a waiting consumer is woken for while more comes at once
        # Ends the producer's blocked read when a seek comes, and takes that back once the producer
        # has seen it: both under the lock, so that no interruption outlives its seek.
        self.interrupt: Callable[[], object] = _nothing
        self.proceed: Callable[[], object] = _nothing
        self._changed = threading.Condition()
        self._sleepers: list[Callable[[], object]] = []  # wake one waiting task each
        self._chunks: deque[PcmChunk] = deque()
        self._held = 0.0
        self._opened: Opened | None = None
        self._error: BaseException | None = None
        self._ended = False
        self._finished = False
        self._closed = False
        self._wanted: float | None = None  # a seek that the producer has not seen yet
        self._sought: float | None = None  # a seek that no chunk has followed yet
        self._position = 0
        self._frames = 0
        self._underruns = 0
        self._taken = 0.0  # seconds since the start or the latest seek
        self.losses: tuple[Loss, ...] = ()  # set by the producer, as a whole

    # the producer's side

    def announce(self, opened: Opened) -> None:
        """Tell what a span is, before its first chunk is decoded; only the first span's is kept."""
        with self._changed:
            self._opened = self._opened or opened
            self._wake()

    def put(self, chunk: PcmChunk) -> bool:
        """Append a chunk as soon as there is room; False once it is not wanted any more."""
        seconds = len(chunk.data) / chunk.spec.sample_rate
        with self._changed:
            while self._chunks and self._held + seconds > self._seconds and not self.diverted:
                self._wake()
                self._changed.wait()
            if self.diverted:
                return False
            self._chunks.append(chunk)
            self._held += seconds
            self._frames += len(chunk.data)
            if self._held >= min(self._batch, self._taken):
                self._wake()
            return True

    def hand_over(self) -> None:
        """Wake the consumer for what is queued: the producer may be about to wait for its input."""
        with self._changed:
            if self._chunks:
                self._wake()

    @property
    def diverted(self) -> bool:
        """Whether what the producer is about to put is not wanted any more."""
        return self._closed or self._wanted is not None

    def take_seek(self) -> float | None:
        """Return the target of a seek that has come, in seconds; None if none has."""
        with self._changed:
            wanted, self._wanted = self._wanted, None
            if wanted is not None:
                self.proceed()
            return wanted

    def await_seek(self, error: BaseException | None) -> float | None:
        """Tell the end, or an error behind the chunks put before, unless a seek has come.

        Then wait for one: its target in seconds, or None once the queue is closed.
        """
        with self._changed:
            if self._wanted is None:
                self._ended, self._error = True, error
                self._wake()
            del error  # a cycle: its traceback holds this very frame
            self._changed.wait_for(lambda: self.diverted)
            return None if self._closed else self.take_seek()

    def finish(self) -> None:
        """Tell that the producer is through for good."""
        with self._changed:
            self._finished = True
            self._wake()

    # the consumer's side

    def seek(self, seconds: float) -> None:
        """Drop what is queued and have the producer go elsewhere. Raises DecoderClosed."""
        with self._changed:
            if self._closed:
                raise DecoderClosed("audio stream")
            self._wanted = self._sought = seconds
            self._taken = 0.0
            self._drop()
            self._ended, self._error = False, None
            self._changed.notify_all()
            self.interrupt()

    def close(self) -> None:
        """Drop everything and wake everybody. Idempotent."""
        with self._changed:
            self._closed = True
            self._drop()
            self._wake()

    @property
    def closed(self) -> bool:
        """Whether the consumer has closed it."""
        return self._closed

    @property
    def position(self) -> int:
        """The frame that the next chunk begins with; 0 for a seek before the rate is known."""
        with self._changed:
            if self._sought is None:
                return self._position
            return round(self._sought * self._opened.spec.sample_rate) if self._opened else 0

    @property
    def stats(self) -> StreamStats:
        """What happened so far."""
        with self._changed:
            return StreamStats(
                frames=self._frames,
                seconds_buffered=self._held,
                underruns=self._underruns,
                losses=len(self.losses),
            )

    def has_chunk(self) -> bool:
        """Whether `take` answers at once."""
        return bool(self._chunks) or self._ended or self._finished or self._closed

    def has_opened(self) -> bool:
        """Whether `opened` answers at once."""
        return self._opened is not None or self._ended or self._finished or self._closed

    def has_finished(self) -> bool:
        """Whether the producer is through for good."""
        return self._finished

    def wait(self, condition: Callable[[], bool], timeout: float | None = None) -> bool:
        """Block this thread until a condition of the queue holds; False after the timeout."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def take(self) -> PcmChunk | None:
        """Wait for the next chunk; None at the end, or raise the error."""
        with self._changed:
            if not self.has_chunk():
                self._underruns += self._taken > 0
                self._changed.wait_for(self.has_chunk)
            return self._take()

    async def take_async(self) -> PcmChunk | None:
        """Do the same as `take`, suspending this task only."""
        with self._changed:
            if self.has_chunk():
                return self._take()
            self._underruns += self._taken > 0
        return await self.wait_async(self.has_chunk, self._take)

    def opened(self) -> Opened:
        """Wait until it is known what the first span is, or raise why there is none."""
        with self._changed:
            self._changed.wait_for(self.has_opened)
            return self._get_opened()

    async def opened_async(self) -> Opened:
        """Do the same as `opened`, suspending this task only."""
        return await self.wait_async(self.has_opened, self._get_opened)

    async def wait_async(self, condition: Callable[[], bool], then: Callable[[], T]) -> T:
        """Suspend this task until a condition of the queue holds; do something while it does."""
        while True:
            with self._changed:
                if condition():
                    return then()
                loop = asyncio.get_running_loop()
                woken: asyncio.Future[None] = loop.create_future()
                wake = functools.partial(loop.call_soon_threadsafe, _resolve, woken)
                self._sleepers.append(wake)
            try:
                await woken
            finally:
                with self._changed, contextlib.suppress(ValueError):
                    self._sleepers.remove(wake)

    def _take(self) -> PcmChunk | None:
        if self._chunks:
            chunk = self._chunks.popleft()
            seconds = len(chunk.data) / chunk.spec.sample_rate
            self._position, self._sought = chunk.start + len(chunk.data), None
            self._taken += seconds
            self._held = self._held - seconds if self._chunks else 0.0  # no sum of rounding errors
            if self._held <= self._batch:
                self._changed.notify_all()
            return chunk
        if self._error is not None and not self._closed:
            raise self._error
        return None

    def _get_opened(self) -> Opened:
        if self._opened is not None:
            return self._opened
        if self._error is not None and not self._closed:
            raise self._error
        raise DecoderClosed("audio stream")

    def _drop(self) -> None:
        self._chunks.clear()
        self._held = 0.0

    def _wake(self) -> None:
        self._changed.notify_all()
        sleepers, self._sleepers = self._sleepers, []
        for wake in sleepers:
            with contextlib.suppress(RuntimeError):  # the loop of that task is closed
                wake()


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
