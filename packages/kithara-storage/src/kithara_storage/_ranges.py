"""Sets of bytes, kept as sorted disjoint ranges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class RangeSet:
    """A set of byte offsets as sorted, disjoint, half-open ranges that never touch.

    Not locked: share one between threads under a lock of your own. Every method takes offsets
    of zero or more with `start <= stop`, else `ValueError`.
    """

    __slots__ = ("_starts", "_stops")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        for start, stop in ranges:
            self.add(start, stop)

    @classmethod
    def of_sorted(cls, ranges: Iterable[tuple[int, int]]) -> RangeSet:
        """Make a set of ranges that come in the order of their starts; quick for very many."""
        made = cls()
        starts, stops = made._starts, made._stops
        end = -1
        for start, stop in ranges:
            if start > end:
                if start == stop:
                    continue
                starts.append(start)
                stops.append(stop)
                end = stop
            elif stop > end:
                stops[-1] = end = stop
        return made

    def add(self, start: int, stop: int) -> None:
        """Add `[start, stop)`; joins neighbours; an empty range changes nothing."""
        _check(start, stop)
        if start == stop:
            return
        starts, stops = self._starts, self._stops
        if not stops or stops[-1] < start:
            starts.append(start)
            stops.append(stop)
            return
        if stops[-1] == start:  # the common case: the next bytes of a download
            stops[-1] = stop
            return
        first = bisect_left(stops, start)
        last = bisect_right(starts, stop)
        if first < last:
            start = min(start, starts[first])
            stop = max(stop, stops[last - 1])
        starts[first:last] = [start]
        stops[first:last] = [stop]

    def contains(self, start: int, stop: int) -> bool:
        """Whether every byte of `[start, stop)` is in the set; True for an empty range."""
        _check(start, stop)
        return start == stop or self.available(start) >= stop - start

    def available(self, start: int) -> int:
        """How many bytes from `start` on are in the set without a gap; 0 if `start` is not."""
        _check(start, start)
        at = bisect_right(self._starts, start) - 1
        return max(0, self._stops[at] - start) if at >= 0 else 0

    def next_hole(self, start: int, stop: int) -> tuple[int, int] | None:
        """Return the first range of `[start, stop)` that is not in the set, or None."""
        return next(self.holes(start, stop), None)

    def holes(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Every range of `[start, stop)` that is not in the set, in order.

        The set must not change while this iterates.
        """
        _check(start, stop)
        at = bisect_right(self._stops, start)
        while start < stop:
            if at == len(self._starts) or self._starts[at] >= stop:
                yield start, stop
                return
            if start < self._starts[at]:
                yield start, self._starts[at]
            start = self._stops[at]
            at += 1

    @property
    def stop(self) -> int:
        """Where the last range ends; 0 if the set is empty."""
        return self._stops[-1] if self._stops else 0

    @property
    def total(self) -> int:
        """How many bytes are in the set."""
        return sum(self._stops) - sum(self._starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(tuple(self._starts), tuple(self._stops), strict=True)

    def __len__(self) -> int:
        return len(self._starts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RangeSet):
            return NotImplemented
        return self._starts == other._starts and self._stops == other._stops

    __hash__ = None  # type: ignore[assignment]  # mutable: not to be a key

    def __repr__(self) -> str:
        return f"RangeSet({list(self)!r})"


def _check(start: int, stop: int) -> None:
    if start < 0 or stop < start:
        raise ValueError(f"[{start}, {stop}) is not a range of bytes")
