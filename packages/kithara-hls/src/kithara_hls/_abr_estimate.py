"""What the downloads so far say about the path: rate, spread of the rate, time to first byte."""

import math
from dataclasses import dataclass
from typing import Final

from ._abr_protocol import DownloadSample, Estimate

__all__ = ("PathMemory", "ThroughputEstimator")

_HALF_LIVES: Final = (0.3, 2.0, 6.0, 20.0, 60.0)  # seconds of flowing bodies
_SHARPNESS: Final = 4.3  # how strongly the average that errs least is preferred
_ERROR_SAMPLES: Final = 8.0  # the errors of about so many samples count
_CALM: Final = 0.2  # sum of those squared errors below which the path is as good as steady
_CALM_LEAN: Final = 0.6  # there an average is preferred so much to the next shorter one
_CALM_START: Final = 0.08  # the sum before the first error: that a path is calm must show
_SPREAD_SAMPLES: Final = 40.0
_START_RATE: Final = 400_000.0
_START_SPREAD: Final = 0.28  # wary at first: nothing is in the buffer yet
_START_WEIGHT: Final = 0.25  # of a sample, so that a steady line soon has the guess forgotten
_START_TTFB: Final = 0.15
_DRIFT: Final = 0.5  # how much of the way from the longest average counts as spread
_TTFB_KEPT: Final = 0.8
_LONGEST_TTFB: Final = 1.5  # seconds; who waits longer waits for more than two round trips
_BURST: Final = (
    14_600  # bytes; TCP's initial window of ten packets comes at once, whatever the rate
)
_LONG: Final = 0.5  # seconds that tell enough, however few bytes came
_SHORTEST: Final = 0.001  # seconds; keeps a body that came in no time from an infinite rate
_TOO_FAST: Final = 20e6  # bit/s beyond which a body may have come out of a buffer on the way
_MEMORY_SECONDS: Final = 20.0  # a fresh memory counts as much as a download of that length
_MEMORY_HALF_LIFE: Final = 1800.0
_MEMORY_DRIFT: Final = 0.1  # variance of the logarithm of the rate, per hour of age
_WIDEST: Final = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class PathMemory:
    """What is worth keeping of a path for the next session with the same host.

    ``rate`` in bit/s, ``spread`` and ``ttfb`` as in `Estimate`, ``age`` in seconds since it was
    taken; the older, the less it counts.
    """

    rate: float
    spread: float
    ttfb: float
    age: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.rate < math.inf:
            raise ValueError(f"rate is {self.rate}, must be above 0 bit/s and finite")
        if not all(fact >= 0.0 for fact in (self.spread, self.ttfb, self.age)):
            raise ValueError("spread, ttfb and age must be 0 or more")


class ThroughputEstimator:
    """Five averages of the rate, mixed by how well each foretold the samples of late.

    Each average weighs samples by their seconds, so it is bits over time; the half-lives reach
    from one segment to some minutes. A mix by their recent squared errors (exponential weights,
    as for prediction with expert advice) follows a path that jumps and rests on one that is
    steady: where even the longest one errs little, what another errs less is mostly chance, and
    the mix leans to the longer ones. The error of the mix itself is the spread, or half of how far
    it is from the longest average, if that is more: a path that sinks slowly is not a steady one.

    Time to first byte is no part of a rate, unless it tells more than the body: beyond 1.5 s
    something on the way has waited for the segment too, and what comes at once (in a burst, or
    faster than 20 Mbit/s) in less time than its first byte took was there already, in a proxy or
    in a window of TCP. Then the rate counts the wait, and is one that the path has at least. A
    burst whose wait is not known tells nothing.

    Stretches of less than TCP's first burst are added up before they count, so small segments
    and playlists do not bias it. Cached samples change nothing, to the last bit.
    """

    def __init__(self, memory: PathMemory | None = None) -> None:
        self._averages = [0.0] * len(_HALF_LIVES)
        self._weights = [0.0] * len(_HALF_LIVES)
        self._errors = [_CALM_START] * len(_HALF_LIVES)
        self._squares = _START_WEIGHT * _START_SPREAD**2
        self._square_weight = _START_WEIGHT
        self._ttfb: float | None = None
        self._samples = 0
        self._size = 0
        self._seconds = 0.0
        self._waited = 0.0
        self._at_once = True
        if memory is not None:
            self._average(memory.rate, _MEMORY_SECONDS * 0.5 ** (memory.age / _MEMORY_HALF_LIFE))
            drift = _MEMORY_DRIFT * memory.age / 3600.0
            self._squares = min(memory.spread**2 + drift, max(_WIDEST**2, memory.spread**2))
            self._square_weight = 1.0
            self._ttfb = memory.ttfb

    def add(self, sample: DownloadSample) -> None:
        """Learn from a stretch of the network."""
        if sample.cached or (sample.burst and sample.ttfb is None):
            return
        if sample.ttfb is not None:
            trip = min(sample.ttfb, _LONGEST_TTFB)
            known = trip if self._ttfb is None else self._ttfb
            self._ttfb = _TTFB_KEPT * known + (1.0 - _TTFB_KEPT) * trip
            self._waited += trip
            self._seconds += max(0.0, sample.ttfb - trip)
        self._size += max(0, sample.size)
        self._seconds += max(0.0, sample.seconds)
        self._at_once = self._at_once and sample.burst
        if self._size == 0 or (self._size < _BURST and self._seconds < _LONG):
            return
        size, seconds, waited, at_once = self._size, self._seconds, self._waited, self._at_once
        self._size, self._seconds, self._waited, self._at_once = 0, 0.0, 0.0, True
        if seconds < waited and (at_once or 8.0 * size > _TOO_FAST * seconds):
            seconds += waited
        seconds = max(seconds, _SHORTEST)
        rate = 8.0 * size / seconds
        if self._known:
            self._judge(math.log(rate))
        self._average(rate, seconds)
        self._samples += 1

    def estimate(self) -> Estimate:
        """What it believes now; a guess with ``samples`` 0 before the first download."""
        rate, spread = _START_RATE, math.sqrt(self._squares / self._square_weight)
        if self._known:
            rate = self._rate()
            drift = math.log(rate * self._weights[-1] / self._averages[-1])
            spread = max(spread, _DRIFT * abs(drift))
        return Estimate(
            rate=rate,
            spread=spread,
            ttfb=_START_TTFB if self._ttfb is None else self._ttfb,
            samples=self._samples,
        )

    def memory(self) -> PathMemory | None:
        """What to keep for a later session; None if nothing was learned."""
        if not self._samples:
            return None
        now = self.estimate()
        return PathMemory(rate=now.rate, spread=now.spread, ttfb=now.ttfb)

    @property
    def _known(self) -> bool:
        return self._weights[0] > 0.0

    def _rate(self) -> float:
        least = min(self._errors)
        lean = _CALM_LEAN * math.exp(-((self._errors[-1] / _CALM) ** 4))
        total = score = 0.0
        for number, error in enumerate(self._errors):
            average, weight = self._averages[number], self._weights[number]
            trust = math.exp(lean * number - _SHARPNESS * (error - least))
            score += trust * math.log(average / weight)
            total += trust
        return math.exp(score / total)

    def _judge(self, log_rate: float) -> None:
        miss = log_rate - math.log(self._rate())
        kept = 1.0 - 1.0 / _SPREAD_SAMPLES
        self._squares = self._squares * kept + miss * miss
        self._square_weight = self._square_weight * kept + 1.0
        for number, average in enumerate(self._averages):
            miss = log_rate - math.log(average / self._weights[number])
            self._errors[number] *= 1.0 - 1.0 / _ERROR_SAMPLES
            self._errors[number] += miss * miss

    def _average(self, rate: float, seconds: float) -> None:
        for number, half_life in enumerate(_HALF_LIVES):
            fresh = -math.expm1(-math.log(2.0) * seconds / half_life)
            self._averages[number] += fresh * (rate - self._averages[number])
            self._weights[number] += fresh * (1.0 - self._weights[number])
