"""The bounded queue between a decode thread and its consumer, be that a thread or a task."""

import asyncio
import contextlib
import functools
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ._errors import DecoderClosed
from ._losses import Loss
from ._pcm import PcmChunk, PcmSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What the decoder of the first span said when it was opened."""

    spec: PcmSpec
    frames: int | None
    tags: Mapping[str, str]


class ChunkQueue:
    """Chunks in their order, then the end or an error; bounded by seconds of sound.

    The producer waits while it is full. `close` drops what is queued and wakes everybody; after it
    the consumer sees the end, whatever the producer ran into.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._changed = threading.Condition()
        self._sleepers: list[Callable[[], object]] = []  # wake one waiting task each
        self._chunks: deque[PcmChunk] = deque()
        self._held = 0.0
        self._opened: Opened | None = None
        self._error: BaseException | None = None
        self._finished = False
        self._closed = False
        self.losses: tuple[Loss, ...] = ()  # set by the producer, as a whole

    # the producer's side

    def announce(self, opened: Opened) -> None:
        """Tell what a span is, before its first chunk is decoded; only the first span's is kept."""
        with self._changed:
            self._opened = self._opened or opened
            self._wake()

    def put(self, chunk: PcmChunk) -> bool:
        """Append a chunk as soon as there is room; False once nobody wants more."""
        seconds = len(chunk.data) / chunk.spec.sample_rate
        with self._changed:
            while self._chunks and self._held + seconds > self._seconds and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            self._chunks.append(chunk)
            self._held += seconds
            self._wake()
            return True

    def finish(self, error: BaseException | None) -> None:
        """Tell that nothing more comes: the end, or an error behind the chunks put before."""
        with self._changed:
            self._error = error
            self._finished = True
            self._wake()

    # the consumer's side

    def close(self) -> None:
        """Drop everything and wake everybody. Idempotent."""
        with self._changed:
            self._closed = True
            self._chunks.clear()
            self._held = 0.0
            self._wake()

    @property
    def closed(self) -> bool:
        """Whether the consumer has closed it."""
        return self._closed

    def has_chunk(self) -> bool:
        """Whether `take` answers at once."""
        return bool(self._chunks) or self._finished or self._closed

    def has_opened(self) -> bool:
        """Whether `opened` answers at once."""
        return self._opened is not None or self._finished or self._closed

    def has_finished(self) -> bool:
        """Whether the producer is through."""
        return self._finished

    def wait(self, condition: Callable[[], bool], timeout: float | None = None) -> bool:
        """Block this thread until a condition of the queue holds; False after the timeout."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    async def wait_async(self, condition: Callable[[], bool]) -> None:
        """Suspend this task until a condition of the queue holds."""
        loop = asyncio.get_running_loop()
        while True:
            woken: asyncio.Future[None] = loop.create_future()
            wake = functools.partial(loop.call_soon_threadsafe, _resolve, woken)
            with self._changed:
                if condition():
                    return
                self._sleepers.append(wake)
            try:
                await woken
            finally:
                with self._changed, contextlib.suppress(ValueError):
                    self._sleepers.remove(wake)

    def take(self) -> PcmChunk | None:
        """Return the next chunk once `has_chunk` holds; None at the end, or raise the error."""
        with self._changed:
            if self._chunks:
                chunk = self._chunks.popleft()
                self._held -= len(chunk.data) / chunk.spec.sample_rate
                self._changed.notify_all()
                return chunk
            if self._error is not None and not self._closed:
                raise self._error
            return None

    def opened(self) -> Opened:
        """Return what the first span is once `has_opened` holds, or raise why there is none."""
        with self._changed:
            if self._opened is not None:
                return self._opened
            if self._error is not None and not self._closed:
                raise self._error
            raise DecoderClosed("audio stream")

    def _wake(self) -> None:
        self._changed.notify_all()
        sleepers, self._sleepers = self._sleepers, []
        for wake in sleepers:
            with contextlib.suppress(RuntimeError):  # the loop of that task is closed
                wake()


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
