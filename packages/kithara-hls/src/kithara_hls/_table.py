"""The byte space of a session: which part lies where, shared by the loop and reading threads."""

import asyncio
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from fractions import Fraction
from time import monotonic
from typing import Final

from kithara_assets import Assets, ResourceStatus
from kithara_stream import Cancelled, Interrupted

from ._open_parts import OpenParts
from ._parts import Heard, Part, PartCut, Place

__all__ = ("PartTable",)

_STRIDE: Final = 64 * 1024  # bytes that a reader may go on before the pipeline hears of it


class PartTable:
    """The parts laid so far, in order, and where their readers are.

    The pipeline lays parts, and takes back those that nobody has reached; any thread reads.
    Everything is guarded by one condition; who waits for a part to become known waits on it.
    ``woken`` is called on the loop when readers went on, or wait for what is not there.
    """

    def __init__(self, store: Assets, woken: Callable[[], None]) -> None:
        self._woken = woken
        self._changed = threading.Condition()
        self._parts: list[Part] = []
        self._starts: list[int] = []
        self._seconds: list[float] = []  # of all parts up to each
        self._span_starts: dict[int, int] = {}
        self._span_stops: dict[int, int] = {}
        self._span_seconds: dict[int, Fraction | None] = {}
        self._told_stop = 0
        self._open = OpenParts(store, self._changed)
        self.opened = self._open.opened
        self._places: set[Place] = set()
        self._ended = False
        self.silence_at_end = Fraction(0)
        self._closed = False
        self._error: Exception | None = None
        self._loop = asyncio.get_running_loop()
        self._begun = 0
        self._reached = 0
        self._woken_at = 0
        self._woken_part = 0
        self._calls = 0

    # -- the pipeline's side, on the loop ------------------------------------------------------

    @property
    def last(self) -> Part | None:
        """The part that was laid last."""
        return self._parts[-1] if self._parts else None

    @property
    def end(self) -> int | None:
        """Where the next part begins; None while the size of the last one is not known."""
        last = self.last
        if last is None:
            return 0
        return None if last.size is None else last.start + last.size

    @property
    def span_ended(self) -> bool:
        """Whether the last part's span has an end, so that another part begins a new one."""
        return not self._parts or self._parts[-1].span in self._span_stops

    def furthest(self) -> int:
        """How far the furthest reader has read."""
        with self._changed:
            return max((place.position for place in self._places), default=0)

    def wanted(self) -> int:
        """Up to where the most demanding reader waits for bytes; 0 if none waits."""
        with self._changed:
            return max((place.wanted for place in self._places), default=0)

    def heard_time(self) -> float:
        """Where the furthest reader is, in seconds; the end of the last part behind it."""
        with self._changed:
            furthest = max((place.position for place in self._places), default=0)
            at = bisect_right(self._starts, furthest) - 1
            if at < 0:
                return 0.0
            part = self._parts[at]
            return part.heard.start + part.heard.seconds * _share(part, furthest)

    def newly_heard(self) -> list[Heard]:
        """The parts that the furthest reader has begun to read since this was asked last."""
        with self._changed:
            at = bisect_left(self._starts, self._reached)
            begun, self._begun = self._begun, max(self._begun, at)
            return [part.heard for part in self._parts[begun:at]]

    def unread(self, part: Part | None = None) -> float:
        """Seconds that the furthest reader has not read yet: of a part, or of all of them."""
        with self._changed:
            furthest = max((place.position for place in self._places), default=0)
            if part is not None:
                return part.heard.seconds * (1 - _share(part, furthest))
            at = bisect_right(self._starts, furthest) - 1
            if at < 0:
                return 0.0
            current = self._parts[at]
            left = current.heard.seconds * (1 - _share(current, furthest))
            return left + self._seconds[-1] - self._seconds[at]

    def lay(self, part: Part, *, seconds: Fraction | None = None) -> None:
        """Add a part behind all others: from now on its bytes can be waited for.

        ``seconds`` is when a span that begins with it is heard, if that is known already.
        """
        with self._changed:
            if part.span not in self._span_starts:
                self._span_starts[part.span] = part.start
                if self._parts:
                    self._span_stops[self._parts[-1].span] = part.start
                if seconds is not None:
                    self._span_seconds[part.span] = seconds
            self._parts.append(part)
            self._starts.append(part.start)
            self._seconds.append((self._seconds or (0.0,))[-1] + part.heard.seconds)
            self._changed.notify_all()

    def set_size(self, part: Part, size: int, *, ends_span: bool) -> None:
        """Make known how many bytes a part has for its readers."""
        with self._changed:
            part.size = size
            if ends_span:
                self._span_stops[part.span] = part.start + size
            self._changed.notify_all()

    def set_seconds(self, span: int, seconds: Fraction | None) -> None:
        """Make known when a span is heard; None if nobody can tell."""
        with self._changed:
            self._span_seconds.setdefault(span, seconds)
            self._changed.notify_all()

    def finish(self, part: Part) -> None:
        """The part is complete in the cache: let go of it."""
        with self._changed:
            if part.held:
                part.held = False
                self._open.leave(part)

    def take_back(self, first: Part | None = None) -> list[Part] | None:
        """Take back ``first`` and all behind it, if nobody has reached it; else answer None.

        Without it, all parts at the end that nobody has reached: an init section stays with a
        segment that does. Answers them in order. No span that was told to end is changed.
        """
        with self._changed:
            reached = max((max(p.promised, p.wanted, p.position) for p in self._places), default=0)
            reached = max(reached, self._told_stop)
            if first is not None:
                return self._take_back(self._parts.index(first)) if first.start >= reached else None
            keep = len(self._parts)
            while keep and self._parts[keep - 1].start >= reached:
                keep -= 1
            while 0 < keep < len(self._parts) and self._parts[keep - 1].heard.index is None:
                keep += 1  # a lone init section would be the begin of a span with nothing in it
            return self._take_back(keep)

    def cut(self, part: Part, *, left_by_seek: bool) -> list[Part]:
        """End the byte space within ``part``; answer the parts behind it, which are taken back.

        What can be read of it stays readable; after a seek only what was read of it, and that not
        any more.
        """
        with self._changed:
            behind = self._take_back(self._parts.index(part) + 1)
            if left_by_seek:
                furthest = max((max(p.promised, p.position) for p in self._places), default=0)
                size = max(0, furthest - part.start)
                part.size = size if part.size is None else min(size, part.size)
                part.left_by_seek = True
                self._open.give_back(part)
            elif part.resource is not None:
                part.size = part.readable(part.resource, part.start)
                part.resource.fail(PartCut())
            self._span_stops[part.span] = part.start + (part.size or 0)
            self._span_seconds.setdefault(part.span, None)
            self._changed.notify_all()
            return behind

    def end_here(self, silence: Fraction) -> None:
        """No part follows, but some seconds left out: readers are at the proven end."""
        with self._changed:
            self._ended = True
            self.silence_at_end = silence
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """No byte follows: who waits for a missing one gets ``error``."""
        with self._changed:
            self._error = error
            for part in self._parts:
                resource = part.resource if part.held else None
                if resource is not None and resource.status is ResourceStatus.PARTIAL:
                    resource.fail(error)
            self._changed.notify_all()

    def go_on(self) -> None:
        """More parts follow, after an end or an error."""
        with self._changed:
            self._ended = False
            self._error = None

    def close(self) -> None:
        """Wake every wait with Cancelled, close what is open. Idempotent."""
        with self._changed:
            self._closed = True
            self._open.close(self._parts)
            self._changed.notify_all()

    # -- the readers' side, any thread ---------------------------------------------------------

    def enter(self) -> Place:
        """A place for one more reader, at the start."""
        place = Place()
        with self._changed:
            self._places.add(place)
            place.closed = self._closed
        return place

    def leave(self, place: Place) -> None:
        """The reader is gone: wake it if it waits. Idempotent."""
        with self._changed:
            place.closed = True
            self._places.discard(place)
            self._changed.notify_all()
            self._call()

    def interrupt(self, place: Place) -> None:
        """Make waits of this reader raise Interrupted until `proceed`. Idempotent."""
        with self._changed:
            place.interrupted = True
            place.interruptions += 1
            self._changed.notify_all()

    def proceed(self, place: Place) -> None:
        """Let this reader wait again. Idempotent."""
        with self._changed:
            place.interrupted = False

    def move(self, place: Place, *, position: int | None = None, wanted: int = 0) -> None:
        """Tell where a reader is, and the offset up to which it waits (0: it does not)."""
        with self._changed:
            if position is not None:
                place.position = position
                place.promised = max(place.promised, position)
                self._reached = max(self._reached, position)
            place.wanted = wanted
            at = bisect_right(self._starts, place.position)
            if abs(place.position - self._woken_at) >= _STRIDE or at != self._woken_part:
                self._woken_at, self._woken_part = place.position, at
                self._call()

    def demand(self) -> None:
        """A reader is about to wait for what it told to want."""
        with self._changed:
            self._call()

    def jump(self, place: Place, offset: int) -> None:
        """The reader goes on elsewhere, after a seek."""
        with self._changed:
            place.position = place.promised = offset
            self._call()

    def check(self, place: Place) -> None:
        """Raise Cancelled or Interrupted if the reader is not to go on."""
        with self._changed:
            self._check(place)

    def span_start(self, part: Part) -> int:
        """Where the span of ``part`` starts."""
        with self._changed:
            return self._span_starts[part.span]

    def promise(self, place: Place, offset: int) -> None:
        """What is before ``offset`` stays as it is for this reader."""
        with self._changed:
            place.promised = max(place.promised, offset)

    def find(self, offset: int, place: Place, deadline: float | None) -> Part | None:
        """Answer the part that holds ``offset``, waiting until it is known; None at the end."""
        with self._changed:
            while True:
                self._check(place)
                part = self.peek(offset)
                if part is not None:
                    return part
                if self._ended:
                    return None
                self._wait(place, deadline)

    def wait_size(self, part: Part, place: Place, deadline: float | None) -> None:
        """Wait until the size of ``part`` is known."""
        with self._changed:
            while part.size is None:
                self._check(place)
                self._wait(place, deadline)

    def peek(self, offset: int) -> Part | None:
        """Answer the part that holds ``offset``, None if none does (yet); never waits."""
        with self._changed:
            at = bisect_right(self._starts, offset) - 1
            if at < 0:
                return None
            part = self._parts[at]
            if part.size is not None and offset >= part.start + part.size:
                return None
            return part

    def span(self, part: Part, place: Place) -> tuple[int, int | None, Fraction | None]:
        """Where the span of ``part`` starts and stops (None while not known), and when it is heard.

        Waits until the last is known, be it None.
        """
        with self._changed:
            while part.span not in self._span_seconds and not (self._ended or self._error):
                self._check(place)
                self._wait(place, None)
            stop = self._span_stops.get(part.span)
            if stop is not None:
                self._told_stop = max(self._told_stop, stop)
            return self._span_starts[part.span], stop, self._span_seconds.get(part.span)

    # -- with the condition held ---------------------------------------------------------------

    def _take_back(self, keep: int) -> list[Part]:
        taken, self._parts[keep:] = self._parts[keep:], []
        del self._starts[keep:], self._seconds[keep:]
        self._begun = min(self._begun, keep)
        for part in taken:
            self._open.give_back(part)
            if self._span_starts.get(part.span) == part.start:
                del self._span_starts[part.span]
                self._span_seconds.pop(part.span, None)
            self._span_stops.pop(part.span, None)
        last = self.last
        if taken and last is not None and self._span_stops.get(last.span, 0) > self._told_stop:
            del self._span_stops[last.span]
        return taken

    def _call(self) -> None:
        """Tell the pipeline, once until it has heard."""
        if self._calls == 0 and not self._closed:
            self._calls = 1
            self._loop.call_soon_threadsafe(self._heard)

    def _heard(self) -> None:
        with self._changed:
            self._calls = 0
        self._woken()

    def _check(self, place: Place) -> None:
        if self._closed or place.closed:
            raise Cancelled("the session" if self._closed else "the reader")
        if place.interrupted:
            raise Interrupted("the reader")

    def _wait(self, place: Place, deadline: float | None) -> None:
        if self._error is not None:
            raise self._error
        left = None if deadline is None else deadline - monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("the bytes did not arrive in time")
        interruptions = place.interruptions
        self._call()
        self._changed.wait(left)
        if place.interruptions != interruptions and not (self._closed or place.closed):
            raise Interrupted("the reader")


def _share(part: Part, offset: int) -> float:
    """How much of a part lies before ``offset``."""
    size = part.size or part.expected
    if not size or offset <= part.start:
        return 0.0
    return min((offset - part.start) / size, 1.0)
