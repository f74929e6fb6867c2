"""The default rule for adaptive bitrate: it prices the seconds of its buffer."""

import math
from typing import Final

from ._abr_estimate import PathMemory, ThroughputEstimator
from ._abr_protocol import (
    AbrDecision,
    AbrSettings,
    AbrState,
    DownloadProgress,
    DownloadSample,
    Estimate,
)
from ._abr_value import STALL_PRICE, START_PRICE, BufferValue

__all__ = ("AbrController",)

# Four equally likely outcomes of a normal law, widened: rates have heavier tails than that.
_OUTCOMES: Final = (-1.78, -0.45, 0.45, 1.78)
_FULL_SWITCH: Final = 6.0  # seconds of a segment for which a switch by one octave costs 1
_STEADY: Final = 0.23  # spread about which a step up may overshoot the line by all of its rate
_BRIDGED: Final = 0.12  # of the line's rate, which a full buffer lends a step up on any line
_PATIENCE: Final = 1.0  # seconds before a download may be abandoned
_MIXING: Final = 2.0  # seconds after which a download in flight speaks for itself
_SPEAKS: Final = 0.4
_ABANDON_GAIN: Final = 20.0  # two seconds of silence
_PACKET: Final = 1500


class AbrController:
    """Chooses by merit: utility, less the price of switching, less what the buffer loses.

    For a segment of T seconds at r bit/s, fetched in d seconds with b in the buffer,
    ``merit = T log2(r) - switch - E[10 max(0, d - b) + V(b + T) - V(b - d + T)]`` (5 instead of 10
    before the first sound), where the expectation is over the spread of the estimate and V is
    `BufferValue`. It is the myopic form of the Bellman equation of the stream: V stands for all
    that comes later. A step up must also be one that the line carries; the less steady the line
    and the fuller the buffer, the more it may exceed its rate, for then the buffer and not the
    line decides. A full buffer bridges a little on any line, or a coarse ladder would leave a
    steady one half used.

    Once there is an estimate, only ratios of rates matter. More throughput, or more buffer, all
    else equal, never lowers the choice, except that ``min_switch_interval`` holds a switch back
    where the buffer spares a stall without it. The rule keeps to ``AbrState.candidates``.

    No clock, no input or output. One may serve several sessions over one path.
    """

    def __init__(
        self, settings: AbrSettings | None = None, *, memory: PathMemory | None = None
    ) -> None:
        self._settings = settings if settings is not None else AbrSettings()
        self._estimator = ThroughputEstimator(memory)
        self._switched: float | None = None

    @property
    def estimate(self) -> Estimate:
        """What it believes of the path now."""
        return self._estimator.estimate()

    def memory(self) -> PathMemory | None:
        """What a later session on this path may start from; None before the first download."""
        return self._estimator.memory()

    def on_download(self, sample: DownloadSample) -> None:
        """Learn from the network; what came from the cache changes nothing."""
        self._estimator.add(sample)

    def on_flush(self) -> None:
        """A seek or a skip: the path is the same, but a switch is as good as none before."""
        self._switched = None

    def decide(self, state: AbrState) -> AbrDecision:
        """Choose for the next segment. Raises ValueError if there is no candidate."""
        if not state.candidates:
            raise ValueError("there is no candidate; ask AbrSettings.candidates first")
        estimate = self._estimator.estimate()
        merits = self._merits(state, estimate)
        best = max(
            (number for number in state.candidates if merits[number] is not None),
            key=lambda number: (merits[number], -state.variants[number].bitrate),
        )
        reason = self._reason(state, best)
        if reason in ("up", "down") and self._too_soon(state, best, estimate):
            reason = "interval"
            best = state.current if state.current is not None else best
        elif reason in ("up", "down", "unavailable"):
            self._switched = state.now
        return AbrDecision(
            variant=best,
            reason=reason,
            estimate=estimate,
            buffer=state.buffer,
            merits=tuple(merits),
        )

    def abandon(self, state: AbrState, progress: DownloadProgress) -> AbrDecision | None:
        """Start anew at a lower bitrate if that spares two seconds of silence or their worth."""
        if progress.elapsed < _PATIENCE or not state.candidates:
            return None
        estimate = self._estimator.estimate()
        rate = self._rate_in_flight(progress, estimate.rate * self._settings.safety_factor)
        value = self._value(state, estimate)
        bitrate = state.variants[progress.variant].bitrate
        size = progress.size if progress.size is not None else bitrate * state.segment / 8.0
        wait = 0.0 if progress.ttfb is not None else estimate.ttfb
        left = 8.0 * max(0.0, size - progress.received)
        least = self._loss(state, value, wait + left / rate) - _ABANDON_GAIN
        chosen: int | None = None
        for number in state.candidates:
            lower = state.variants[number].bitrate
            if lower >= bitrate:
                continue
            steps = math.log2(bitrate / lower)
            seconds = 2.0 * estimate.ttfb + lower * state.segment / rate
            heard = state.segment + state.segment / _FULL_SWITCH
            loss = self._loss(state, value, seconds) + steps * heard
            if loss < least:
                least, chosen = loss, number
        if chosen is None:
            return None
        self._switched = state.now
        return AbrDecision(variant=chosen, reason="abandon", estimate=estimate, buffer=state.buffer)

    def _merits(self, state: AbrState, estimate: Estimate) -> list[float | None]:
        settings, segment = self._settings, state.segment
        value = self._value(state, estimate)
        spread = estimate.spread
        rate = estimate.rate * settings.safety_factor
        slowness = [math.exp(-spread * (z + spread / 2.0)) / rate for z in _OUTCOMES]
        lowest = state.variants[state.candidates[0]].bitrate
        before = state.variants[state.current].bitrate if state.current is not None else None
        filled = state.buffer / self._goal(state)
        reserve = min(1.0, 2.0 * filled) ** 2 * (spread / _STEADY) ** 5
        carried = rate * (1.0 - spread + max(_BRIDGED * filled, reserve))
        carried *= max(0.1, 1.0 - estimate.ttfb / segment) if segment > 0.0 else 1.0
        price = segment / _FULL_SWITCH
        merits: list[float | None] = [None] * len(state.variants)
        for number in state.candidates:
            bitrate = state.variants[number].bitrate
            if before is not None and bitrate > max(before, carried, lowest):
                continue
            bits = bitrate * segment
            lost = sum(self._loss(state, value, estimate.ttfb + bits * slow) for slow in slowness)
            merit = segment * math.log2(bitrate / lowest) - lost / len(slowness)
            if before is not None and number != state.current:
                steps = math.log2(bitrate / before)
                held = settings.up_hysteresis if steps > 0.0 else settings.down_hysteresis
                # the playlist of the other variant costs a round trip, at the balance price
                merit -= price * held * abs(steps) + estimate.ttfb / math.log(2.0)
            merits[number] = merit
        return merits

    def _value(self, state: AbrState, estimate: Estimate) -> BufferValue:
        return BufferValue.of(
            goal=self._goal(state),
            spread=estimate.spread,
            segment=state.segment,
            remaining=state.remaining,
        )

    @staticmethod
    def _goal(state: AbrState) -> float:
        return max(state.buffer_goal, state.segment, 1.0)

    @staticmethod
    def _loss(state: AbrState, value: BufferValue, seconds: float) -> float:
        """What a download of so many seconds costs, less V(b + T), which all choices share."""
        price = STALL_PRICE if state.playing else START_PRICE
        left = state.buffer - seconds
        return price * max(0.0, -left) - value.at(max(0.0, left) + state.segment)

    @staticmethod
    def _reason(state: AbrState, best: int) -> str:
        if state.current is None:
            return "start"
        if best == state.current:
            return "keep"
        if state.current not in state.candidates:
            return "unavailable"
        rising = state.variants[best].bitrate > state.variants[state.current].bitrate
        return "up" if rising else "down"

    def _too_soon(self, state: AbrState, best: int, estimate: Estimate) -> bool:
        interval = self._settings.min_switch_interval
        if self._switched is None or state.now - self._switched >= interval:
            return False
        if state.current is None:
            return False
        bitrate = state.variants[state.current].bitrate
        rate = estimate.rate * self._settings.safety_factor
        risky = estimate.ttfb + bitrate * state.segment / rate > state.buffer
        return not (risky and state.variants[best].bitrate < bitrate)

    @staticmethod
    def _rate_in_flight(progress: DownloadProgress, rate: float) -> float:
        """The estimate, and what the download itself shows, the more the longer it flows."""
        if progress.ttfb is None:
            return rate
        flowing = progress.elapsed - progress.ttfb
        if flowing <= _SPEAKS:
            return rate
        if progress.received == 0:
            return min(rate, 8.0 * _PACKET / flowing)
        shown = 8.0 * progress.received / flowing
        return math.exp(
            math.log(rate) + min(1.0, flowing / _MIXING) * (math.log(shown) - math.log(rate))
        )
