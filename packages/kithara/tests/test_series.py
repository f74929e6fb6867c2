import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kithara._series import LONGEST, BinSeries, PeakSeries, SampleSeries


@given(
    sizes=st.lists(st.tuples(st.floats(0, 20_000), st.integers(0, 10**9)), max_size=40),
)
def test_bins_lose_nothing_and_stay_few(sizes: list[tuple[float, int]]) -> None:
    series = BinSeries()
    for at, size in sorted(sizes):
        series.add(at, size)
    bins = series.bins()
    assert sum(bins.sums) == sum(size for _, size in sizes)
    assert len(bins.sums) <= LONGEST
    for at, _ in sizes:
        assert at < (len(bins.sums) + 1e-6) * bins.width or not sizes


def test_bins_are_where_they_belong() -> None:
    series = BinSeries(width=0.5)
    for at, size in ((0.1, 1), (0.4, 2), (1.6, 4)):
        series.add(at, size)
    assert series.bins().sums == (3, 0, 0, 4)


def test_samples_keep_the_ends_and_stay_few() -> None:
    series = SampleSeries()
    for number in range(50_000):
        series.add(number / 10, float(number))
    points = series.samples().points
    assert len(points) <= LONGEST + 1
    assert points[0] == (0.0, 0.0)
    assert points[-1][1] == 49_999.0
    assert [at for at, _ in points] == sorted(at for at, _ in points)


def test_peaks_cover_what_was_heard_without_holes() -> None:
    series, rate = PeakSeries(width=0.05), 8000
    pcm = np.linspace(-1, 1, 3 * rate, dtype=np.float32)[:, None]
    for start in range(0, len(pcm), 743):
        series.add(start / rate, pcm[start : start + 743], rate)
    peaks = series.peaks()
    assert len(peaks) == 60
    for number, peak in enumerate(peaks):
        first = round(number * 0.05 * rate)
        part = pcm[first : first + 400]
        assert (peak.low, peak.high) == (part.min(), part.max())
        assert abs(peak.start - number * 0.05) < 1e-9


def test_peaks_of_hours_become_coarser_and_stay_true() -> None:
    series, rate = PeakSeries(), 10
    for start in range(0, 3 * 3600, 60):
        series.add(start, np.full((60 * rate, 2), start / 11_000, np.float32), rate)
    series.add(100.0, np.array([[0.9, -0.9]], np.float32), rate)
    peaks = series.peaks()
    assert len(peaks) <= LONGEST
    assert peaks[-1].start + peaks[-1].seconds >= 3 * 3600
    assert min(peak.low for peak in peaks) == np.float32(-0.9)
