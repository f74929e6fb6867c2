"""What this package accepts: sources to read, origins to fetch from, sinks to fill."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from fractions import Fraction
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from ._media import MediaSpan, SeekPoint

WaitOutcome: TypeAlias = Literal["ready", "eof"]
"""The answer of `wait_range`: the bytes are there, or the stream is proven to end before them."""


class Source(Protocol):
    """Bytes that may still be arriving, as one reader sees them. Any thread may call."""

    @property
    def length(self) -> int | None:
        """Size in bytes; None while it is not known."""

    def wait_range(self, start: int, stop: int, timeout: float | None = None) -> WaitOutcome:
        """Block until the bytes [start, min(stop, end)) are there.

        Answers "eof" where `start` is at or behind the proven end. Raises the source's own
        failure, `Cancelled` after `close`, `Interrupted` after `interrupt`, or TimeoutError after
        `timeout` seconds.
        """

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Copy what is there from `offset` on, contiguous and within one span; never waits.

        Returns the number of bytes copied, 0 where nothing is there (yet).
        """

    def span_at(self, offset: int) -> MediaSpan | None:
        """Answer the span that holds `offset`, waiting until that is known; None at the end.

        Raises what `wait_range` raises.
        """

    def interrupt(self) -> None:
        """Make a blocked wait and all later ones raise `Interrupted` until `proceed`.

        Touches no bytes; idempotent. After `close`, `Cancelled` is what they raise.
        """

    def proceed(self) -> None:
        """Let waits wait again after `interrupt`; idempotent."""

    def close(self) -> None:
        """Wake blocked waits with `Cancelled` and let go; idempotent."""


@runtime_checkable
class TimedSource(Source, Protocol):
    """A source that knows its media clock, and goes on from another time when asked."""

    @property
    def duration(self) -> float | None:
        """Length in seconds; None while it is not known."""

    @property
    def silence_at_end(self) -> Fraction:
        """Seconds left out behind the last byte, to be heard as silence; known at the end."""

    def seek_time(self, seconds: float) -> SeekPoint:
        """Go on at the last place that begins at or before `seconds`; past the end, the last one.

        Where that is left out, the place is behind it, and the span there tells its silence.
        A span starts there. May block, and raises what `wait_range` raises.
        """


class OriginHead(Protocol):
    """What the first line and headers of an answer said."""

    @property
    def start(self) -> int:
        """The first byte that the body holds, whatever was asked for."""

    @property
    def total(self) -> int | None:
        """Size of the whole resource in bytes; None if it was not told."""

    @property
    def accepts_ranges(self) -> bool:
        """Whether ranges of this resource can be asked for."""


class OriginBody(Protocol):
    """An answer: its head, then its bytes. A clean end of the iteration is a proven end."""

    @property
    def head(self) -> OriginHead:
        """The head of this answer."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Origin(Protocol):
    """Where the bytes of one resource come from."""

    def open(self, start: int, stop: int | None) -> AbstractAsyncContextManager[OriginBody]:
        """Ask for [start, stop), or for all from `start` on. Leaving early closes the request."""


class Sink(Protocol):
    """Where the bytes of one resource go; kithara-storage's StreamingResource is one."""

    @property
    def length(self) -> int | None:
        """The size, if known."""

    def set_length(self, total: int) -> None:
        """Make the size known. Raises if another one was known already."""

    async def write_at(self, offset: int, data: bytes) -> None:
        """Accept bytes; waits while too many are on their way to the disk."""

    async def flush(self) -> None:
        """Wait until all accepted bytes can be read."""

    async def commit(self, length: int) -> None:
        """Make the resource complete at `length` bytes."""

    def fail(self, error: Exception) -> None:
        """Raise `error` in every wait for bytes that are missing."""

    def available(self, start: int) -> int:
        """Count the bytes that can be read from `start` on without a hole."""

    def next_hole(self, start: int, stop: int) -> tuple[int, int] | None:
        """Answer the first missing range within [start, stop), or None."""
