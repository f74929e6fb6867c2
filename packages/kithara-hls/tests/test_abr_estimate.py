import math
import random
from dataclasses import replace

import pytest

from kithara_hls._abr_estimate import PathMemory, ThroughputEstimator
from kithara_hls._abr_protocol import DownloadSample


def sample(rate: float, seconds: float = 2.0, ttfb: float | None = 0.1) -> DownloadSample:
    return DownloadSample(size=round(rate * seconds / 8), seconds=seconds, ttfb=ttfb)


def fed(*rates: float, seconds: float = 2.0, ttfb: float = 0.1) -> ThroughputEstimator:
    estimator = ThroughputEstimator()
    for rate in rates:
        estimator.add(sample(rate, seconds, ttfb))
    return estimator


def test_before_the_first_download_it_is_a_guess() -> None:
    estimate = ThroughputEstimator().estimate()
    assert estimate.samples == 0
    assert estimate.rate > 0
    assert ThroughputEstimator().memory() is None


def test_the_guessed_spread_is_soon_forgotten_on_a_steady_line() -> None:
    assert fed(3e5, 3e5, 3e5).estimate().spread < 0.5 * ThroughputEstimator().estimate().spread


@pytest.mark.parametrize("kbit", [60, 150, 400, 1200, 5000])
@pytest.mark.parametrize("ttfb", [0.02, 0.2, 0.6])
def test_a_steady_line_is_known_within_15_percent_after_three_segments(
    kbit: int, ttfb: float
) -> None:
    rng = random.Random(kbit)
    estimator = ThroughputEstimator()
    for number in range(100):
        # segments of 50 kB, whatever time that takes
        rate = 1e3 * kbit * rng.uniform(0.8, 1.2)
        estimator.add(DownloadSample(size=50_000, seconds=4e5 / rate, ttfb=ttfb))
        estimate = estimator.estimate()
        if number >= 3:
            assert estimate.rate == pytest.approx(1e3 * kbit, rel=0.15)
    assert estimate.spread < 0.15
    assert estimate.ttfb == pytest.approx(ttfb)
    assert estimate.samples == 100


@pytest.mark.parametrize("seed", range(20))
def test_samples_that_resemble_each_other_by_chance_do_not_mislead_it(seed: int) -> None:
    """Long segments: half an hour of them, of which some in a row say the same."""
    rng = random.Random(seed)
    estimator = ThroughputEstimator()
    for number in range(180):
        estimator.add(sample(1e5 * rng.uniform(0.8, 1.2), seconds=9.0))
        if number >= 7:
            assert estimator.estimate().rate == pytest.approx(1e5, rel=0.15)


def test_what_the_cache_serves_changes_nothing_to_the_last_bit() -> None:
    estimator, other = fed(3e5, 2e5, 4e5), fed(3e5, 2e5, 4e5)
    for _ in range(100):
        estimator.add(replace(sample(1e9, 0.001, 0.0), cached=True))
        assert estimator.estimate() == other.estimate()
    for each in (estimator, other):
        each.add(sample(1e5))
    assert estimator.estimate() == other.estimate()
    assert estimator.memory() == other.memory()


def test_small_segments_do_not_bias_it() -> None:
    """A body within TCP's first burst comes at once: it tells of the wait, not of the rate."""
    estimator = fed(*[2e5] * 5)
    for _ in range(20):
        estimator.add(DownloadSample(size=900, seconds=0.0002, ttfb=0.2))
        estimator.add(sample(2e5, 2.0, 0.2))
    assert estimator.estimate().rate == pytest.approx(2e5, rel=0.06)
    first = ThroughputEstimator()
    first.add(DownloadSample(size=900, seconds=0.0002, ttfb=0.2))
    assert first.estimate().samples == 0


@pytest.mark.parametrize("seconds", [0.0003, 0.03])
def test_a_burst_counts_the_wait_for_it(seconds: float) -> None:
    """A proxy keeps each body until it is whole, and then sends it at once."""
    estimator = ThroughputEstimator()
    for size in (30_000, 60_000, 30_000, 120_000):
        wait = 0.05 + 8 * size / 6e5
        burst = DownloadSample(size=size, seconds=seconds, ttfb=wait, burst=True)
        estimator.add(burst)
        assert 4e5 < estimator.estimate().rate < 6e5
        before = estimator.estimate()
        estimator.add(replace(burst, ttfb=None))
        assert estimator.estimate() == before
    short = ThroughputEstimator()
    short.add(DownloadSample(size=30_000, seconds=0.0003, ttfb=0.45))
    assert short.estimate().rate == pytest.approx(5.3e5, rel=0.01)


def test_a_burst_that_was_not_waited_for_is_quick() -> None:
    estimator = ThroughputEstimator()
    estimator.add(DownloadSample(size=60_000, seconds=0.004, ttfb=0.001, burst=True))
    assert estimator.estimate().rate > 1e8


def test_a_wait_of_many_round_trips_is_time_of_the_body() -> None:
    estimator = ThroughputEstimator()
    for _ in range(5):
        estimator.add(DownloadSample(size=48_000, seconds=0.2, ttfb=6.0))
    assert estimator.estimate().rate < 1e5
    assert estimator.estimate().ttfb <= 1.5


def test_a_path_that_sinks_slowly_is_not_steady() -> None:
    steady, sinking = fed(*[2e5] * 60), fed(*[2e5 * 0.97**number for number in range(60)])
    assert steady.estimate().spread < 0.05
    assert sinking.estimate().spread > 0.2


def test_bodies_in_no_time_and_bodies_of_nothing_do_no_harm() -> None:
    estimator = ThroughputEstimator()
    estimator.add(DownloadSample(size=50_000, seconds=0.0, ttfb=0.0))
    estimator.add(DownloadSample(size=0, seconds=0.0))
    estimator.add(DownloadSample(size=0, seconds=30.0))
    assert math.isfinite(estimator.estimate().rate)
    for _ in range(5):
        estimator.add(sample(1e5, 5.0))
    assert estimator.estimate().rate == pytest.approx(1e5, rel=0.3)


def test_a_silent_stretch_counts_with_what_comes_after_it() -> None:
    estimator = fed(*[4e5] * 5)
    estimator.add(DownloadSample(size=0, seconds=30.0))
    before = estimator.estimate().rate
    estimator.add(sample(4e5, 1.0))
    assert estimator.estimate().rate < 0.6 * before


def test_it_follows_a_jump_within_four_segments_and_its_spread_tells() -> None:
    estimator = fed(*[8e5] * 20, seconds=0.5)
    steady = estimator.estimate().spread
    for _ in range(4):
        estimator.add(sample(1e5, 4.0))
    assert estimator.estimate().rate == pytest.approx(1e5, rel=0.25)
    assert estimator.estimate().spread > 2 * steady


def test_it_is_bits_over_time_on_a_line_that_alternates() -> None:
    estimator = fed(*[1e5, 4e5] * 50, seconds=1.0)
    assert estimator.estimate().rate == pytest.approx(2.5e5, rel=0.25)


def test_time_to_first_byte_is_kept_apart() -> None:
    slow, quick = fed(3e5, ttfb=0.6), fed(3e5, ttfb=0.02)
    assert slow.estimate().rate == quick.estimate().rate
    assert slow.estimate().ttfb == 0.6
    slow.add(sample(3e5, ttfb=None))
    assert slow.estimate().ttfb == 0.6


def test_rates_scale() -> None:
    one, other = fed(1e5, 3e5, 2e5), fed(8e5, 24e5, 16e5)
    assert other.estimate().rate == pytest.approx(8 * one.estimate().rate)
    assert other.estimate().spread == pytest.approx(one.estimate().spread)


def test_a_memory_starts_the_next_session_and_is_forgotten_with_age() -> None:
    memory = fed(*[2e6] * 10).memory()
    assert memory is not None
    assert memory.rate == pytest.approx(2e6)
    again = ThroughputEstimator(memory)
    assert again.estimate().rate == pytest.approx(2e6)
    assert again.estimate().samples == 0
    assert again.memory() is None
    shifts = []
    for age in (0.0, 1800.0, 86_400.0):
        aged = ThroughputEstimator(replace(memory, age=age))
        shifts.append((aged.estimate().spread, aged))
        aged.add(sample(2e5, 1.0))
    assert shifts[0][0] < shifts[1][0] < shifts[2][0]
    rates = [aged.estimate().rate for _, aged in shifts]
    assert rates[0] > rates[1] > rates[2]
    assert rates[2] == pytest.approx(2e5, rel=0.05)


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"spread": -1.0}, {"age": float("nan")}])
def test_a_memory_without_a_meaning_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        PathMemory(**{"rate": 1e5, "spread": 0.2, "ttfb": 0.1} | wrong)
