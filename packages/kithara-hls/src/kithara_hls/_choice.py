"""Which variant the next segment is taken from: the one that was asked for, or a rule's choice."""

import asyncio
import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Final, TypeGuard

from kithara_assets import OfflineMiss
from kithara_net import NetError

from ._abr import AbrController
from ._abr_estimate import PathMemory
from ._abr_protocol import (
    AbrDecision,
    AbrPolicy,
    AbrState,
    AbrVariant,
    CanAbandon,
    CanFlush,
    DownloadProgress,
    DownloadSample,
)
from ._delivery import Delivery
from ._errors import HlsError, NoVariant
from ._options import HlsOptions
from ._steps import Position, Step
from ._variants import Variants

__all__ = ("Choice",)

_ASK_EVERY: Final = 0.5  # seconds between two questions whether to abandon a download
_FIRST: Final = 6.0  # seconds of a segment, as long as no playlist tells it
_SMOOTHING: Final = 0.3  # the weight of a new sample in the two figures below


class Choice:
    """Chooses variants, and keeps two figures of the network. Belongs to the event loop.

    ``fixed`` is the variant that was asked for, None to let the rule choose. ``decision`` is the
    rule's last one, ``reason`` why the last variant was chosen.
    """

    def __init__(
        self, variants: Variants, options: HlsOptions, memory: PathMemory | None = None
    ) -> None:
        self._variants = variants
        self._settings = options.abr
        self._own = AbrController(options.abr, memory=memory)
        self._policy: AbrPolicy = options.abr_policy or self._own
        self._ladder = tuple(
            AbrVariant(bitrate=max(1, v.average_bandwidth or v.bandwidth), codecs=v.audio_codecs)
            for v in variants.all
        )
        self._rate: float | None = None
        self._asked_at = -math.inf
        self._failed_here: set[str] = set()  # tracks whose segments at one time failed
        self._here: Fraction | None = None  # before which a segment of that time begins
        self.latency = 0.0
        self.fixed = variants.choose()
        self.decision: AbrDecision | None = None
        self.reason = "start"

    @property
    def patience(self) -> float | None:
        """Seconds after which to ask whether a download is to be abandoned; None for never."""
        asks = self.fixed is None and isinstance(self._policy, CanAbandon)
        return _ASK_EVERY if asks else None

    def allowed(self, variants: Iterable[int]) -> list[int]:
        """Those of ``variants`` that the settings allow, in the same order."""
        allowed = self._settings.candidates(self._ladder)
        return [index for index in variants if index in allowed or index == self.fixed]

    def may_avoid(self, error: BaseException) -> TypeGuard[Exception]:
        """Answer whether another variant may be taken where one cannot be had.

        A variant that was asked for by name and is not in the cache is not replaced offline.
        """
        if isinstance(error, OfflineMiss):
            return self.fixed is None
        return isinstance(error, NetError | HlsError)

    def leave(self, variant: int, position: Position) -> bool:
        """Do not take a variant that failed at ``position`` for a while; False if none is left.

        One that failed elsewhere is taken where no other is left.
        """
        if self._here is None or position.start > self._here:
            self._failed_here.clear()
            self._here = position.start + position.track.times.duration_of(position.index) / 2
        self._failed_here.add(self._variants.track_name(variant))
        self._variants.exclude(variant)
        if not self.allowed(self._variants.alternates(variant)):
            self._variants.forgive()
            for other in self._variants.all:
                if self._variants.track_name(other.index) in self._failed_here:
                    self._variants.exclude(other.index)
        return bool(self.allowed(self._variants.alternates(variant)))

    def first(self) -> int:
        """Answer the variant to open with. Raises NoVariant."""
        return self.choose(
            current=None, segment=_FIRST, remaining=math.inf, buffer=0.0, playing=False
        )

    def choose(
        self, *, current: int | None, segment: float, remaining: float, buffer: float, playing: bool
    ) -> int:
        """Answer the variant for the next segment, of ``segment`` seconds. Raises NoVariant."""
        excluded = self._variants.excluded()
        self.decision = None
        if self.fixed is not None:
            self.reason = "start" if current is None else "manual"
            if self.fixed not in excluded:
                return self.fixed
            others = self.allowed(self._variants.alternates(self.fixed))
            return others[0] if others else self.fixed
        state = self._state(current, segment, remaining, buffer, playing)
        if not state.candidates:
            raise NoVariant(url=self._variants.url, count=len(self._ladder))
        self.decision = self._policy.decide(state)
        self.reason = self.decision.reason
        return self._checked(self.decision, state)

    def abandon(self, delivery: Delivery, *, playing: bool) -> tuple[Step, int] | None:
        """Ask whether to take the segment that is needed first from another variant.

        Answers its step and that variant; None to go on with what is in flight.
        """
        running = [d for d in delivery.running() if d.planned.index is not None]
        if self.fixed is not None or not isinstance(self._policy, CanAbandon) or not running:
            return None
        now, download = asyncio.get_running_loop().time(), running[0]
        step = next(step for step in delivery if step.segment is download)
        if download.requested_at is None or now - self._asked_at < _ASK_EVERY:
            return None
        self._asked_at = now
        remaining = step.track.times.duration - float(step.position.start)
        state = self._state(step.variant, download.seconds, remaining, delivery.buffered(), playing)
        progress = DownloadProgress(
            variant=step.variant,
            size=download.wire_size,
            received=download.received,
            elapsed=now - download.requested_at,
            ttfb=download.ttfb,
        )
        decision = self._policy.abandon(state, progress) if state.candidates else None
        if decision is None or decision.variant == step.variant:
            return None
        self.decision, self.reason = decision, decision.reason
        return step, self._checked(decision, state)

    def on_download(self, sample: DownloadSample) -> None:
        """Learn what the network gave."""
        self._policy.on_download(sample)
        if sample.seconds > 0 and sample.size >= 4096:
            rate = sample.size / sample.seconds
            self._rate = rate if self._rate is None else _mix(self._rate, rate)
        if sample.ttfb is not None:
            self.latency = _mix(self.latency, sample.ttfb) if self.latency else sample.ttfb

    def memory(self) -> PathMemory | None:
        """What the built-in rule learned of the path; None if nothing, or if another rule did."""
        return self._own.memory()

    def on_flush(self) -> None:
        """What was fetched was thrown away."""
        self._here = None
        if isinstance(self._policy, CanFlush):
            self._policy.on_flush()

    def seconds_for(self, size: int) -> float:
        """How long the network takes for ``size`` bytes; infinity if that is unknown."""
        return size / self._rate if self._rate else math.inf

    def _state(
        self, current: int | None, segment: float, remaining: float, buffer: float, playing: bool
    ) -> AbrState:
        failed = self._variants.excluded()
        candidates = self._settings.candidates(self._ladder, failed | self._variants.backups())
        candidates = candidates or self._settings.candidates(self._ladder, failed)
        return AbrState(
            now=asyncio.get_running_loop().time(),
            buffer=buffer,
            buffer_goal=self._settings.buffer_goal,
            current=current,
            segment=segment,
            remaining=remaining,
            variants=self._ladder,
            candidates=candidates or self._settings.candidates(self._ladder),
            playing=playing,
        )

    def _checked(self, decision: AbrDecision, state: AbrState) -> int:
        if decision.variant not in state.candidates:
            raise ValueError(
                f"the rule chose variant {decision.variant}, which is none of {state.candidates}"
            )
        return decision.variant


def _mix(old: float, new: float) -> float:
    return old + _SMOOTHING * (new - old)
