from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from kithara_hls._playlist import Segment
from kithara_hls._timeline import MediaClock, Timetable
from kithara_hls._timestamps import Stamp


def table(
    durations: list[float], breaks: tuple[int, ...] = (), clock: MediaClock | None = None
) -> Timetable:
    segments = [
        Segment(
            index=index,
            sequence=index,
            duration=duration,
            url="http://h.test/s",
            byte_range=None,
            init=None,
            key=None,
            discontinuity=index in breaks,
            gap=False,
        )
        for index, duration in enumerate(durations)
    ]
    return Timetable(segments, clock or MediaClock())


def pts(seconds: Fraction | float) -> Stamp:
    return Stamp(ticks=round(seconds * 90_000) % 2**33, rate=90_000, wrap=2**33)


def test_the_playlist_is_what_is_known_at_first() -> None:
    times = table([2.5, 2.5, 1])
    assert [times.start_of(i) for i in range(4)] == [0, Fraction(5, 2), 5, 6]
    assert times.duration == 6
    assert [times.find(Fraction(t)) for t in (0, 2, 3, 5, 99)] == [0, 0, 1, 2, 2]
    assert not times.is_exact(1)


def test_timestamps_correct_durations_that_were_rounded() -> None:
    real = Fraction(2_973, 1000)
    times = table([3] * 11)
    for index in (0, 4, 10):
        times.note(index, pts(10 + index * real))
    assert times.start_of(0) == 0
    assert abs(times.start_of(10) - 10 * real) < Fraction(1, 90_000)
    assert times.start_of(5) == times.start_of(4) + 3
    assert abs(times.duration - float(10 * real + 3)) < 1e-4


def test_a_clock_that_wraps_goes_on() -> None:
    times = table([6] * 5)
    first = Fraction(2**33, 90_000) - 13
    for index in range(5):
        times.note(index, pts(first + 6 * index))
    assert [round(times.start_of(i), 4) for i in range(5)] == [0, 6, 12, 18, 24]


def test_each_discontinuity_has_a_clock_of_its_own() -> None:
    times = table([4, 4, 4, 4], breaks=(2,))
    assert [times.run(i) for i in range(4)] == [0, 0, 1, 1]
    times.note(3, pts(500))
    assert times.start_of(3) == 12
    assert not times.is_exact(3)
    assert (times.first_of_run(3), times.knows_origin(3)) == (2, False)
    times.note(2, pts(Fraction(9921, 20)))
    assert times.knows_origin(3)
    assert times.start_of(3) == 8 + Fraction(79, 20)


def test_a_clock_whose_first_segment_is_lost_is_told_by_those_behind_it() -> None:
    times = table([10.0, 10.0, 10.0, 10.0])
    times.note(2, pts(Fraction(2**33, 90_000) - 2))
    assert not times.is_exact(2)
    times.lose(0)
    assert times.knows_origin(2)
    assert times.start_of(2) == 20
    times.note(3, pts(6.9))  # it wrapped, and the durations are rounded
    assert times.start_of(3) == Fraction("28.9")
    times.lose(1)  # it began no clock
    assert times.start_of(3) == Fraction("28.9")


def test_variants_share_the_clock() -> None:
    clock = MediaClock()
    first, second = table([4, 4, 4], clock=clock), table([4, 4, 4], clock=clock)
    first.note(0, pts(10))
    second.note(2, pts(18))
    assert second.is_exact(2)
    assert second.start_of(2) == 8
    # An MP4 of the same recording counts from elsewhere.
    third = table([4, 4, 4], clock=clock)
    third.note(2, Stamp(ticks=8 * 48_000, rate=48_000, wrap=None))
    assert not third.is_exact(2)
    third.note(0, Stamp(ticks=0, rate=48_000, wrap=None))
    assert third.start_of(2) == 8


def test_a_clock_that_jumps_is_not_believed() -> None:
    times = table([4] * 6)
    times.note(0, pts(0))
    times.note(3, pts(5000))
    assert times.start_of(3) == 12


@given(
    st.lists(st.integers(1, 12_000_000), min_size=1, max_size=40),
    st.lists(st.integers(0, 39), max_size=8),
    st.integers(0, 2**33),
)
def test_times_rise_and_are_found_again(micros: list[int], noted: list[int], begin: int) -> None:
    durations = [m / 1_000_000 for m in micros]
    times = table(durations)
    true = [Fraction(sum(micros[:i]), 1_000_000) for i in range(len(micros))]
    for index in [0, *(i for i in noted if i < len(micros))]:
        times.note(
            index,
            Stamp(ticks=(begin + round(true[index] * 90_000)) % 2**33, rate=90_000, wrap=2**33),
        )
    for index, start in enumerate(true):
        assert abs(times.start_of(index) - start) <= Fraction(2, 90_000)
        assert times.find(times.start_of(index)) >= index or micros[index] < 50
