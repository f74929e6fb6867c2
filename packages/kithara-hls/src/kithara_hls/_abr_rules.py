"""Small rules that show the protocol; the default one is `AbrController`."""

import math
from typing import Final

from ._abr_protocol import AbrDecision, AbrState, DownloadSample, Estimate

__all__ = ("BolaRule", "FixedRule", "ThroughputRule")

_START_RATE: Final = 500_000.0


class FixedRule:
    """Always the same variant; the next lower candidate where that one is not available."""

    def __init__(self, variant: int) -> None:
        self._variant = variant

    def decide(self, state: AbrState) -> AbrDecision:
        """The variant, or the highest candidate that is not above it, or the lowest one."""
        chosen = self._variant
        if chosen not in state.candidates:
            known = 0 <= chosen < len(state.variants)
            bitrate = state.variants[chosen].bitrate if known else 0.0
            chosen = _highest_within(state, bitrate)
        return AbrDecision(variant=chosen, reason="fixed", buffer=state.buffer)

    def on_download(self, sample: DownloadSample) -> None:
        """Nothing to learn."""


class ThroughputRule:
    """The highest bitrate within a share of the lower of two averages of the rate.

    The averages have half-lives of 3 and 9 seconds of flowing bodies; a step up must fit into
    ``up``, staying or a step down into ``down`` of the rate. What players in browsers do.
    """

    def __init__(self, *, up: float = 0.7, down: float = 0.95) -> None:
        self._up = up
        self._down = down
        self._fast = _Average(3.0)
        self._slow = _Average(9.0)
        self._ttfb = _Average(9.0)
        self._samples = 0

    def decide(self, state: AbrState) -> AbrDecision:
        """Compare the rate with each bitrate."""
        rate = min(self._fast.mean(_START_RATE), self._slow.mean(_START_RATE))
        within = _highest_within(state, rate * self._down)
        chosen = within
        if state.current in state.candidates and state.current is not None:
            before = state.variants[state.current].bitrate
            if state.variants[within].bitrate > before:
                chosen = _highest_within(state, max(before, rate * self._up))
        estimate = Estimate(rate=rate, spread=0.0, ttfb=self._ttfb.mean(0.1), samples=self._samples)
        reason = "start" if state.current is None else "throughput"
        return AbrDecision(variant=chosen, reason=reason, estimate=estimate, buffer=state.buffer)

    def on_download(self, sample: DownloadSample) -> None:
        """Average over the time that bodies flowed."""
        if sample.cached or sample.size == 0:
            return
        seconds = max(sample.seconds, 0.001)
        for average in (self._fast, self._slow):
            average.add(8.0 * sample.size / seconds, seconds)
        if sample.ttfb is not None:
            self._ttfb.add(sample.ttfb, 1.0)
        self._samples += 1


class BolaRule:
    """BOLA-BASIC: by the buffer alone, no estimate (Spiteri, Urgaonkar, Sitaraman, INFOCOM 2016).

    Maximises (V (u + gp) - b) / r with u the logarithm of the bitrate over the lowest one, and V
    such that the highest variant is reached when the buffer is full.
    """

    def __init__(self, *, gp: float = 5.0) -> None:
        self._gp = gp

    def decide(self, state: AbrState) -> AbrDecision:
        """Weigh every candidate against the buffer."""
        lowest = state.variants[state.candidates[0]].bitrate
        steps = {
            number: math.log(state.variants[number].bitrate / lowest) for number in state.candidates
        }
        room = max(state.buffer_goal - state.segment, state.segment)
        scale = room / (max(steps.values()) + self._gp)
        merits: list[float | None] = [None] * len(state.variants)
        for number, step in steps.items():
            merit = (scale * (step + self._gp) - state.buffer) / state.variants[number].bitrate
            merits[number] = merit * lowest
        chosen = max(state.candidates, key=lambda number: merits[number] or 0.0)
        reason = "start" if state.current is None else "buffer"
        return AbrDecision(variant=chosen, reason=reason, buffer=state.buffer, merits=tuple(merits))

    def on_download(self, sample: DownloadSample) -> None:
        """Nothing to learn: what came is in the buffer."""


class _Average:
    """An average that forgets half of its past in ``half_life``."""

    def __init__(self, half_life: float) -> None:
        self._half_life = half_life
        self._sum = 0.0
        self._weight = 0.0

    def add(self, value: float, weight: float) -> None:
        fresh = 1.0 - 0.5 ** (weight / self._half_life)
        self._sum += fresh * (value - self._sum)
        self._weight += fresh * (1.0 - self._weight)

    def mean(self, otherwise: float) -> float:
        return self._sum / self._weight if self._weight > 0.0 else otherwise


def _highest_within(state: AbrState, bitrate: float) -> int:
    """The highest candidate of at most ``bitrate``, else the lowest one."""
    fitting = [n for n in state.candidates if state.variants[n].bitrate <= bitrate]
    return fitting[-1] if fitting else state.candidates[0]
