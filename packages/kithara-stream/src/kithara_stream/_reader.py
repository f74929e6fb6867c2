"""A source as a Python file object."""

import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from ._media import MediaSpan
from ._protocols import Source, TimedSource, WaitOutcome

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_SCRATCH = 64 * 1024


class Reader(io.RawIOBase):
    """Read and seek over a `Source` while its bytes arrive.

    - `read(n)` and `readinto` fill what was asked for unless the end is proven: many libraries
      take a short read for the end of the file. `readinto1` returns as soon as there is anything.
    - An empty read means the proven end, nothing else; missing bytes are waited for.
    - `seekable()` is False while the length is unknown, and `seek` then raises
      `io.UnsupportedOperation`.
    - Reads exclude each other; `close` from another thread wakes a blocked one with `Cancelled`.
      Closing the reader closes its source.
    - `interrupt` from another thread makes a blocked read, and every later one, raise `Interrupted`
      with the position where it was, until `proceed`.
    - Errors of the source (network, storage) are raised as they are.
    """

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._position = 0
        self._reading = threading.RLock()

    @property
    def length(self) -> int | None:
        """Size in bytes; None while it is not known."""
        return self._source.length

    @property
    def container(self) -> str | None:
        """The container that the span at the current position is said to be in; may wait."""
        span = self._source.span_at(self._position)
        return span.media_info.container if span else None

    @property
    def timeline(self) -> int:
        """The media clock of the span at the current position; 0 at the end; may wait."""
        span = self._source.span_at(self._position)
        return span.timeline if span else 0

    @property
    def seconds(self) -> Fraction | None:
        """When the span at the current position begins, if the source knows it; may wait."""
        span = self._source.span_at(self._position)
        return span.seconds if span else None

    @property
    def silence(self) -> Fraction:
        """Seconds to be silent before the span at the current position; may wait."""
        span = self._source.span_at(self._position)
        return span.silence if span else Fraction(0)

    @property
    def silence_at_end(self) -> Fraction:
        """Seconds to be silent behind the last byte; known at the end."""
        source = self._source
        return source.silence_at_end if isinstance(source, TimedSource) else Fraction(0)

    @property
    def duration(self) -> float | None:
        """Length in seconds; None if the source does not know it."""
        return self._source.duration if isinstance(self._source, TimedSource) else None

    def readable(self) -> bool:
        """Answer True."""
        return True

    def seekable(self) -> bool:
        """Answer whether the length is known, and so every `seek` is possible."""
        self._check_open()
        return self._source.length is not None

    def tell(self) -> int:
        """Answer the offset of the next byte."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to an offset; behind the end is allowed and reads as empty.

        Raises `io.UnsupportedOperation` while the length is unknown.
        """
        self._check_open()
        length = self._source.length
        if length is None:
            raise io.UnsupportedOperation("cannot seek while the length is unknown")
        with self._reading:
            match whence:
                case io.SEEK_SET:
                    target = offset
                case io.SEEK_CUR:
                    target = self._position + offset
                case io.SEEK_END:
                    target = length + offset
                case _:
                    raise ValueError(f"whence must be 0, 1 or 2, not {whence}")
            if target < 0:
                raise ValueError(f"cannot seek to {target}, before the start")
            self._position = target
            return target

    def seek_time(self, seconds: float) -> Fraction | None:
        """Go on at the last place that begins at or before `seconds`; answer when it begins.

        The position is there then, and `spans()` begins with it. None, and nothing moves, if the
        source is no `TimedSource`. May wait; raises the source's errors.
        """
        with self._reading:
            self._check_open()
            if not isinstance(self._source, TimedSource):
                return None
            point = self._source.seek_time(seconds)
            self._position = point.offset
            return point.seconds

    def interrupt(self) -> None:
        """Make blocked and later reads raise `Interrupted` until `proceed`. Idempotent."""
        self._source.interrupt()

    def proceed(self) -> None:
        """Let reads wait again after `interrupt`. Idempotent."""
        self._source.proceed()

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill the buffer; short only at the proven end, 0 at the end itself.

        One that raises leaves the position where it was.
        """
        with self._reading, memoryview(buffer).cast("B") as view:
            start, filled = self._position, 0
            try:
                while filled < len(view):
                    with view[filled:] as rest:
                        count = self.readinto1(rest)
                    if count == 0:
                        break
                    filled += count
            except BaseException:
                self._position = start
                raise
            return filled

    def readall(self) -> bytes:
        """Read to the proven end. One that raises leaves the position where it was."""
        with self._reading:
            start = self._position
            try:
                return super().readall()
            except BaseException:
                self._position = start
                raise

    def readinto1(self, buffer: "WriteableBuffer", /) -> int:
        """Wait for at least one byte, copy what is there; 0 only at the proven end."""
        with self._reading, memoryview(buffer).cast("B") as view:
            while len(view):
                self._check_open()
                start = self._position
                if self._source.wait_range(start, start + 1) == "eof":
                    return 0
                count = self._source.read_into(start, view)
                if count:
                    self._position = start + count
                    return count
            return 0

    def buffered(self, size: int = 64 * 1024) -> io.BufferedReader:
        """Wrap into an `io.BufferedReader` that hands bytes on as they arrive.

        Closing it closes this reader.
        """
        return io.BufferedReader(_AsTheyArrive(self), size)

    def spans(self) -> "Iterator[Reader]":
        """Yield a reader for each `MediaSpan`, from the one at this reader's position on.

        Each begins at 0, where its span starts, and ends with it.

        The next span is looked up when the iteration goes on; what was not read of the one before
        is skipped. Closing such a reader leaves this one open, and wakes nobody: close this one
        for that.
        """
        return self._spans_from(self._position)

    def _spans_from(self, offset: int) -> "Iterator[Reader]":
        while (span := self._source.span_at(offset)) is not None:
            part = _SpanSource(self._source, span)
            with Reader(part) as reader:
                yield reader
            offset = part.find_end()

    def close(self) -> None:
        """Close the source; a read that is blocked in another thread raises `Cancelled`."""
        if not self.closed:
            super().close()
            self._source.close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on a closed reader")


class _AsTheyArrive(io.RawIOBase):
    """The raw layer under `buffered()`: short reads are what BufferedReader expects of it."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._reader.seekable()

    def tell(self) -> int:
        return self._reader.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._reader.seek(offset, whence)

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        return self._reader.readinto1(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._reader.close()


class _SpanSource:
    """One span of a source, in coordinates of its own."""

    def __init__(self, source: Source, span: MediaSpan) -> None:
        self._source = source
        self._span = span
        self._start = span.start
        self._reached = span.start

    @property
    def length(self) -> int | None:
        if self._span.stop is not None:
            return self._span.stop - self._start
        return None

    def wait_range(self, start: int, stop: int, timeout: float | None = None) -> WaitOutcome:
        if not self._holds(self._start + start):
            return "eof"
        if self._span.stop is not None:
            stop = min(stop, self._span.stop - self._start)
        return self._source.wait_range(self._start + start, self._start + stop, timeout)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        begin = self._start + offset
        if self._span.stop is not None:
            buffer = buffer[: max(0, self._span.stop - begin)]
        count = self._source.read_into(begin, buffer)
        self._reached = max(self._reached, begin + count)
        return count

    def span_at(self, offset: int) -> MediaSpan | None:
        if not self._holds(self._start + offset):
            return None
        return replace(self._span, start=0, stop=self.length)

    def interrupt(self) -> None:
        self._source.interrupt()

    def proceed(self) -> None:
        self._source.proceed()

    def close(self) -> None:
        """The source goes on: other spans come from it."""

    def _holds(self, offset: int) -> bool:
        if self._span.stop is not None:
            return offset < self._span.stop
        span = self._source.span_at(offset)
        if span is None or span.start != self._start:
            return False
        self._span = span
        return True

    def find_end(self) -> int:
        """Answer where the span ends, reading over the rest where only that can tell."""
        scratch = memoryview(bytearray(_SCRATCH))
        while self._span.stop is None and self._holds(self._reached):
            if self._source.wait_range(self._reached, self._reached + 1) == "eof":
                break
            self.read_into(self._reached - self._start, scratch)
        return self._span.stop if self._span.stop is not None else self._reached
