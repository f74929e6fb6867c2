"""When each segment is heard: what the playlist says, corrected by what the bytes say."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Final

from ._playlist import Segment
from ._timestamps import Stamp

__all__ = ("MediaClock", "Timetable")

MICROSECONDS: Final = 1_000_000


class MediaClock:
    """Where the media clocks of a recording begin; shared by all its variants.

    Each run of segments between discontinuities has a clock of its own, and MPEG's may begin
    elsewhere than that of an MP4 of the same recording.
    """

    def __init__(self) -> None:
        self._origins: dict[tuple[int, bool], Fraction] = {}

    def origin(self, run: int, stamp: Stamp) -> Fraction | None:
        """Answer the time that the run's first access unit has by its own clock, if known."""
        return self._origins.get((run, stamp.wrap is None))

    def knows(self, run: int) -> bool:
        """Answer whether any segment told where the clock of a run begins."""
        return any(known == run for known, _ in self._origins)

    def set_origin(self, run: int, stamp: Stamp, seconds: Fraction) -> None:
        """Note the time that the run's first access unit has by its own clock."""
        self._origins.setdefault((run, stamp.wrap is None), seconds)


class Timetable:
    """When the segments of one media playlist begin, in seconds from its first access unit.

    At first that is the sum of the playlist's durations; `note` corrects it. Belongs to the event
    loop; `start_of`, `find` and `duration` may be asked from any thread.
    """

    def __init__(self, segments: Sequence[Segment], clock: MediaClock) -> None:
        ticks = [round(segment.duration * MICROSECONDS) for segment in segments]
        self._told = (0, *accumulate(ticks))
        self._runs = tuple(accumulate(int(s.discontinuity and s.index > 0) for s in segments))
        self._clock = clock
        self._stamps: dict[int, Stamp] = {}
        self._heard: dict[int, Fraction] = {}
        self._order: tuple[int, ...] = ()
        self._unsettled: set[int] = set()
        self._lost: set[int] = set()

    def __len__(self) -> int:
        return len(self._runs)

    def run(self, index: int) -> int:
        """Count the discontinuities before a segment: those of one run share a media clock."""
        return self._runs[index]

    def first_of_run(self, index: int) -> int:
        """The first segment that shares a media clock with another."""
        return bisect_left(self._runs, self._runs[index])

    def knows_origin(self, index: int) -> bool:
        """Answer whether it is known where the media clock of a segment begins.

        Nothing more is to be learned of it either once the first segment of it is lost.
        """
        return self.first_of_run(index) in self._lost or self._clock.knows(self._runs[index])

    def is_exact(self, index: int) -> bool:
        """Answer whether the segment's start is known by its own timestamp."""
        return index in self._heard

    def told_start(self, index: int) -> Fraction:
        """When a segment begins by the playlist alone; the end of all for the index behind."""
        return Fraction(self._told[index], MICROSECONDS)

    def start_of(self, index: int) -> Fraction:
        """When a segment begins: by its timestamp, else counted from the nearest one before."""
        order = self._order
        at = bisect_right(order, index) - 1
        if at < 0:
            return self.told_start(index)
        known = order[at]
        return self._heard[known] + self._told_between(known, index)

    def duration_of(self, index: int) -> Fraction:
        """How long a segment is, by the playlist."""
        return self._told_between(index, index + 1)

    @property
    def duration(self) -> float:
        """Length of all in seconds, as far as it is known by now."""
        return float(self.start_of(len(self)))

    def find(self, seconds: Fraction) -> int:
        """Answer the last segment that begins at or before ``seconds``; the first one if none."""
        low, high = 0, len(self)
        while high - low > 1:
            middle = (low + high) // 2
            if self.start_of(middle) <= seconds:
                low = middle
            else:
                high = middle
        return low

    def note(self, index: int, stamp: Stamp) -> None:
        """Take the timestamp of a segment's first access unit into account."""
        if index in self._stamps:
            return
        self._stamps[index] = stamp
        self._unsettled.add(index)
        run = self._runs[index]
        if index == 0 or self._runs[index - 1] != run:
            self._clock.set_origin(run, stamp, stamp.near(Fraction(0)))
        for other in sorted(self._unsettled):
            self._settle(other)

    def lose(self, index: int) -> None:
        """A segment cannot be had; if it began a clock, those behind it tell when that was."""
        self._lost.add(index)
        for other in sorted(self._unsettled):
            self._settle(other)

    def _told_between(self, first: int, index: int) -> Fraction:
        # One fraction, not three: this is asked for many times a segment.
        return Fraction(self._told[index] - self._told[first], MICROSECONDS)

    def _settle(self, index: int) -> None:
        """Turn a stamp into a time, once the origin of its clock is known."""
        run, stamp = self._runs[index], self._stamps[index]
        first = self.first_of_run(index)
        offset = self._told_between(first, index)
        if first in self._lost:
            self._clock.set_origin(run, stamp, stamp.near(Fraction(0)) - offset)
        origin = self._clock.origin(run, stamp)
        if origin is None:
            return
        self._unsettled.discard(index)
        time = stamp.near(origin + offset) - origin
        # A clock that jumps with no EXT-X-DISCONTINUITY is wrong, and the playlist right.
        if abs(time - offset) <= max(Fraction(10), offset / 4):
            self._heard[index] = self.start_of(first) + time
            # A whole new order, behind what it names: other threads read the old one meanwhile.
            at = bisect_left(self._order, index)
            self._order = (*self._order[:at], index, *self._order[at:])
