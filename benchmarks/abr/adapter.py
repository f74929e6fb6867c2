"""Our controllers as the laboratory of rate control drives them: bitrates only, no codecs.

The laboratory's state and progress are taken as they are (structurally), so nothing of it is
imported here. ``controller`` is the default rule with its default settings.
"""

from collections.abc import Sequence
from typing import Protocol

from kithara_hls._abr import AbrController
from kithara_hls._abr_protocol import (
    AbrDecision,
    AbrPolicy,
    AbrState,
    AbrVariant,
    CanAbandon,
    CanFlush,
    DownloadProgress,
    DownloadSample,
)
from kithara_hls._abr_rules import BolaRule, FixedRule, ThroughputRule

__all__ = ("Adapter", "bola", "controller", "fixed_lowest", "throughput")


class LabState(Protocol):
    """What the laboratory shows when a segment is to be chosen."""

    @property
    def now_s(self) -> float: ...
    @property
    def buffer_s(self) -> float: ...
    @property
    def buffer_cap_s(self) -> float: ...
    @property
    def current(self) -> int | None: ...
    @property
    def segment_s(self) -> float: ...
    @property
    def remaining_s(self) -> float: ...
    @property
    def bitrates(self) -> tuple[float, ...]: ...
    @property
    def playing(self) -> bool: ...


class LabProgress(Protocol):
    """What the laboratory shows of a download in flight."""

    @property
    def variant(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def received(self) -> int: ...
    @property
    def elapsed_s(self) -> float: ...
    @property
    def ttfb_s(self) -> float | None: ...


class Adapter:
    """A policy of ours behind the laboratory's interface; keeps the last decision to look at."""

    def __init__(self, policy: AbrPolicy) -> None:
        self.policy = policy
        self.decision: AbrDecision | None = None
        self._bitrates: Sequence[float] = ()
        self._ladder: tuple[AbrVariant, ...] = ()

    def decide(self, state: LabState) -> int:
        """The variant of the next segment."""
        self.decision = self.policy.decide(self._state(state))
        return self.decision.variant

    def on_download(
        self, nbytes: int, seconds: float, *, ttfb_s: float = 0.0, cached: bool = False
    ) -> None:
        """One segment came; the laboratory's seconds include the wait for the first byte."""
        sample = DownloadSample(
            size=nbytes, seconds=max(0.0, seconds - ttfb_s), ttfb=ttfb_s, cached=cached
        )
        self.policy.on_download(sample)

    def abandon(self, state: LabState, progress: LabProgress) -> int | None:
        """A lower variant to fetch instead, if the policy can abandon."""
        if not isinstance(self.policy, CanAbandon):
            return None
        flight = DownloadProgress(
            variant=progress.variant,
            size=progress.nbytes,
            received=progress.received,
            elapsed=progress.elapsed_s,
            ttfb=progress.ttfb_s,
        )
        decision = self.policy.abandon(self._state(state), flight)
        return decision.variant if decision is not None else None

    def on_flush(self) -> None:
        """A skip."""
        if isinstance(self.policy, CanFlush):
            self.policy.on_flush()

    def _state(self, state: LabState) -> AbrState:
        if state.bitrates is not self._bitrates:
            self._bitrates = state.bitrates
            self._ladder = tuple(AbrVariant(bitrate=rate) for rate in state.bitrates)
        return AbrState(
            now=state.now_s,
            buffer=state.buffer_s,
            buffer_goal=state.buffer_cap_s,
            current=state.current,
            segment=state.segment_s,
            remaining=state.remaining_s,
            variants=self._ladder,
            candidates=tuple(range(len(self._ladder))),
            playing=state.playing,
        )


def controller() -> Adapter:
    """The default rule."""
    return Adapter(AbrController())


def throughput() -> Adapter:
    """The example that follows the rate alone."""
    return Adapter(ThroughputRule())


def bola() -> Adapter:
    """The example that follows the buffer alone."""
    return Adapter(BolaRule())


def fixed_lowest() -> Adapter:
    """No adaptation."""
    return Adapter(FixedRule(0))
