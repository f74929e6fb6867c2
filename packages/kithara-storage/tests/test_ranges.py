from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_storage import RangeSet

Ranges = list[tuple[int, int]]
SIZE = 60

a_range = st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(
    lambda pair: tuple(sorted(pair))
)
some_ranges = st.lists(a_range, max_size=12)


def members(ranges: Ranges) -> set[int]:
    return {byte for start, stop in ranges for byte in range(start, stop)}


@given(some_ranges)
def test_it_holds_what_was_added_and_stays_sorted_and_disjoint(ranges: Ranges) -> None:
    built = RangeSet(ranges)
    found = list(built)
    assert members(found) == members(ranges)
    assert all(start < stop for start, stop in found)
    assert all(left[1] < right[0] for left, right in pairwise(found))
    assert built.total == len(members(ranges))
    assert len(built) == len(found)


@given(some_ranges, a_range)
def test_questions_agree_with_a_set(ranges: Ranges, asked: tuple[int, int]) -> None:
    built, model = RangeSet(ranges), members(ranges)
    start, stop = asked
    assert built.contains(start, stop) == all(byte in model for byte in range(start, stop))
    run = 0
    while start + run in model:
        run += 1
    assert built.available(start) == run
    assert members(list(built.holes(start, stop))) == set(range(start, stop)) - model
    assert built.next_hole(start, stop) == next(built.holes(start, stop), None)


@given(some_ranges)
def test_the_order_of_adding_does_not_matter(ranges: Ranges) -> None:
    assert RangeSet(ranges) == RangeSet(reversed(ranges))


def test_neighbours_join() -> None:
    ranges = RangeSet([(0, 5), (10, 15)])
    ranges.add(5, 10)
    assert list(ranges) == [(0, 15)]


@pytest.mark.parametrize("bad", [(-1, 2), (3, 2)])
def test_what_is_no_range_is_refused(bad: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not a range"):
        RangeSet([bad])
    with pytest.raises(ValueError, match="not a range"):
        RangeSet().contains(*bad)
    with pytest.raises(ValueError, match="not a range"):
        RangeSet().next_hole(*bad)


def test_it_is_no_key_and_says_what_it_holds() -> None:
    with pytest.raises(TypeError):
        hash(RangeSet())
    assert repr(RangeSet([(1, 2)])) == "RangeSet([(1, 2)])"
    assert RangeSet() != 3
