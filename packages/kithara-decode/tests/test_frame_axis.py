from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_decode._frame_axis import FrameAxis, Lead


@given(st.integers(0, 10**7), st.sampled_from([44100, 48000, 22050]), st.sampled_from([1024, 1152]))
def test_clocks_that_do_not_count_samples_are_read_as_whole_units(
    units: int, rate: int, unit: int
) -> None:
    ticks = round(Fraction(units * unit * 90_000, rate))
    assert Lead(unit=unit).first_frame(Fraction(ticks, 90_000), rate) == units * unit


def test_times_that_count_samples_are_taken_as_they_are() -> None:
    assert Lead(unit=1024).first_frame(Fraction(1025, 44100), 44100) == 1025
    assert Lead(unit=1024).first_frame(Fraction(1, 3), 44101) == round(44101 / 3)


@pytest.mark.parametrize(("told", "dropped", "frame"), [(0, 0, 96), (20, 0, 76), (20, 20, 96)])
def test_what_is_dropped_at_the_start(told: int, dropped: int, frame: int) -> None:
    assert Lead(told=told, dropped=dropped).first_frame(Fraction(96, 100), 100) == frame


def test_a_clock_that_begins_later_is_joined_where_it_was_met() -> None:
    axis = FrameAxis()
    assert axis.place(0, Fraction(0), 0) == 0
    assert axis.place(0, Fraction(5000), 4990) == 5000
    assert axis.place(1, Fraction(77), 6000) == 6000
    assert axis.place(1, Fraction(177), 178) == 6100
    assert axis.restart(1, Fraction(9000), 6200) == 6200
    assert axis.place(1, Fraction(9001), 0) == 6201
