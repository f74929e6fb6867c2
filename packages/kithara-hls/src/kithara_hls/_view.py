"""The byte space as one reader sees it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from fractions import Fraction
from time import monotonic
from typing import Any, Final

from kithara_assets import CancelToken, ResourceClosed
from kithara_stream import (
    Cancelled,
    Interrupted,
    MediaInfo,
    MediaSpan,
    SeekPoint,
    WaitOutcome,
    sniff,
)

from ._cipher import BLOCK
from ._parts import Part, PartCut
from ._table import PartTable

__all__ = ("View",)

SNIFF_SIZE: Final = 1024  # what kithara_stream.sniff asks for


class View:
    """A `kithara_stream.Source` over the parts of a session. Any thread may call.

    ``length`` is always None: what is delivered in all is known at the end only, and "eof" proves
    it. Bytes already delivered can be read again.
    """

    def __init__(
        self,
        *,
        table: PartTable,
        codec_of: Callable[[int], str | None],
        duration: Callable[[], float],
        seek: Callable[[float], Coroutine[Any, Any, SeekPoint]],
        loop: asyncio.AbstractEventLoop,
        left: "Callable[[View], None]",
    ) -> None:
        self._table = table
        self._codec_of = codec_of
        self._duration = duration
        self._seek = seek
        self._loop = loop
        self._left = left
        self._seeking: Future[SeekPoint] | None = None
        self._place = table.enter()
        self._token = CancelToken()
        self._token_lock = threading.Lock()
        self._containers: dict[int, str | None] = {}

    @property
    def length(self) -> int | None:
        """None."""
        return None

    @property
    def duration(self) -> float | None:
        """Length in seconds, as far as it is known by now."""
        return self._duration()

    @property
    def silence_at_end(self) -> Fraction:
        """Seconds of lost segments behind the last byte; known at the end."""
        return self._table.silence_at_end

    def seek_time(self, seconds: float) -> SeekPoint:
        """Go on with the segment that holds ``seconds``: a span begins where the answer says.

        What is not wanted any more is not fetched further. Past the end: the last segment. Not on
        the event loop. Raises what `wait_range` raises.
        """
        with self._token_lock:
            self._table.check(self._place)
            seeking = asyncio.run_coroutine_threadsafe(self._seek(seconds), self._loop)
            self._seeking = seeking
        try:
            point = seeking.result()
        except CancelledError:
            raise self._why_not() from None
        finally:
            self._seeking = None
        self._table.jump(self._place, point.offset)
        return point

    def wait_range(self, start: int, stop: int, timeout: float | None = None) -> WaitOutcome:
        """Block until [start, min(stop, end)) can be read; "eof" if ``start`` is at the end.

        Raises the error that ended the session's pipeline, Cancelled, or TimeoutError.
        """
        deadline = None if timeout is None else monotonic() + timeout
        position = start
        self._table.move(self._place, wanted=stop)
        try:
            while position < stop:
                part = self._table.find(position, self._place, deadline)
                if part is None:
                    break
                position += self._wait_within(part, position, stop, deadline)
            self._table.promise(self._place, position)
        finally:
            self._table.move(self._place)
        return "ready" if position > start or stop <= start else "eof"

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Copy what is there at ``offset``, decrypted, within one part; 0 if nothing is (yet)."""
        part = self._table.peek(offset)
        if part is None:
            return 0
        with self._table.opened(part) as resource:
            count = part.read_into(resource, offset, buffer)
        self._table.move(self._place, position=offset + count)
        return count

    def span_at(self, offset: int) -> MediaSpan | None:
        """Answer the span that holds ``offset``, waiting until it is known; None at the end.

        A span ends where the variant or the init section changes, at a discontinuity, at a seek.
        """
        # A part of unknown size may end before the offset: only a byte that is there tells.
        if self.wait_range(offset, offset + 1) == "eof":
            return None
        part = self._table.peek(offset)
        assert part is not None
        if part.span not in self._containers:
            self._containers[part.span] = self._sniff(part)
        start, stop, seconds = self._table.span(part, self._place)
        opening = self._table.peek(start) or part
        codec = self._codec_of(part.heard.variant)
        info = MediaInfo(container=self._containers[part.span], codec=codec)
        return MediaSpan(
            start=start,
            stop=stop,
            media_info=info,
            timeline=part.heard.run,
            seconds=seconds,
            silence=opening.heard.silence,
        )

    def interrupt(self) -> None:
        """Make blocked and later waits raise Interrupted until `proceed`; idempotent."""
        with self._token_lock:
            self._table.interrupt(self._place)
            self._token.cancel(Interrupted("the reader"))
            self._end_seek()

    def proceed(self) -> None:
        """Let waits wait again; idempotent."""
        with self._token_lock:
            self._table.proceed(self._place)
            if isinstance(self._token.error, Interrupted):
                self._token = CancelToken()

    def close(self) -> None:
        """Wake blocked waits with Cancelled; idempotent."""
        with self._token_lock:
            if isinstance(self._token.error, Interrupted):
                self._token = CancelToken()
            self._token.cancel(Cancelled("the reader"))
            self._end_seek()
        self._table.leave(self._place)
        self._left(self)

    def _why_not(self) -> Exception:
        error = self._token.error
        return error if error is not None else Cancelled("the session")

    def _end_seek(self) -> None:
        if self._seeking is not None:
            self._seeking.cancel()

    def _wait_within(self, part: Part, position: int, stop: int, deadline: float | None) -> int:
        """Wait for bytes of one part; answer how many there are, 0 if it ended before them."""
        local, local_stop = position - part.start, stop - part.start
        if part.cipher is not None:  # one block more shows that the one before is not the last
            local, local_stop = local - local % BLOCK, -(-local_stop // BLOCK) * BLOCK + BLOCK
        left = None if deadline is None else max(0.0, deadline - monotonic())
        try:
            with self._table.opened(part) as resource:
                if part.readable(resource, position) < stop - position:
                    self._table.demand()
                    with suppress(PartCut):  # what was there before is still
                        resource.wait_range(local, local_stop, left, self._token)
                count = min(stop - position, part.readable(resource, position))
        except ResourceClosed:
            if not part.left_by_seek:
                raise
            return 0  # looked up again, it tells that
        if count == 0:
            self._table.wait_size(part, self._place, deadline)
        return count

    def _sniff(self, part: Part) -> str | None:
        start = self._table.span_start(part)
        self.wait_range(start, start + SNIFF_SIZE)
        head = bytearray(SNIFF_SIZE)
        filled = 0
        while filled < SNIFF_SIZE:
            at = self._table.peek(start + filled)
            if at is None or at.span != part.span:
                break
            with self._table.opened(at) as resource, memoryview(head) as view:
                count = at.read_into(resource, start + filled, view[filled:])
            if count == 0:
                break
            filled += count
        return _container(bytes(head[:filled]))


def _container(head: bytes) -> str | None:
    """Name the container; an ID3 tag that tells the time may stand before packed audio."""
    if head.startswith(b"ID3") and len(head) > 10:
        size = 0
        for byte in head[6:10]:
            size = size << 7 | byte & 0x7F
        return sniff(head[10 + size :]) or sniff(head)
    return sniff(head)
