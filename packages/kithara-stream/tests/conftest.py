"""A source that grows under the test's hand."""

import threading
from collections.abc import Callable

import pytest

from kithara_stream import Cancelled, Interrupted, MediaInfo, MediaSpan, WaitOutcome


class GrowingSource:
    """Bytes that the test feeds; spans begin where it says so."""

    def __init__(self, data: bytes = b"", *, length: int | None = None) -> None:
        self._data = bytearray(data)
        self._changed = threading.Condition()
        self._length = length
        self._error: Exception | None = None
        self._starts = [0]
        self.waiting = threading.Semaphore(0)
        self.closed = False
        self.interrupted = False
        self.interruptions = 0
        self.consumed = 0

    @property
    def length(self) -> int | None:
        return self._length

    def feed(self, data: bytes, *, new_span: bool = False) -> None:
        with self._changed:
            if new_span:
                self._starts.append(len(self._data))
            self._data += data
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._length = len(self._data)
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def wait_range(self, start: int, stop: int, timeout: float | None = None) -> WaitOutcome:
        with self._changed:
            self.waiting.release()
            interruptions = self.interruptions
            while True:
                if self.closed:
                    raise Cancelled("the source")
                if self.interrupted or self.interruptions != interruptions:
                    raise Interrupted("the source")
                if self._length is not None and start >= self._length:
                    return "eof"
                stop = stop if self._length is None else min(stop, self._length)
                if len(self._data) >= stop:
                    return "ready"
                if self._error is not None:
                    raise self._error
                if not self._changed.wait(timeout):
                    raise TimeoutError

    def read_into(self, offset: int, buffer: memoryview) -> int:
        stop = min([s for s in self._starts if s > offset], default=len(self._data))
        piece = bytes(self._data[offset : min(stop, offset + len(buffer))])
        buffer[: len(piece)] = piece
        self.consumed += len(piece)
        return len(piece)

    def span_at(self, offset: int) -> MediaSpan | None:
        if self.wait_range(offset, offset + 1) == "eof":
            return None
        start = max(s for s in self._starts if s <= offset)
        stop = min((s for s in self._starts if s > offset), default=self._length)
        return MediaSpan(start=start, stop=stop, media_info=MediaInfo(container=f"at {start}"))

    def interrupt(self) -> None:
        with self._changed:
            self.interrupted = True
            self.interruptions += 1
            self._changed.notify_all()

    def proceed(self) -> None:
        with self._changed:
            self.interrupted = False

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()


@pytest.fixture
def growing() -> Callable[..., GrowingSource]:
    return GrowingSource
