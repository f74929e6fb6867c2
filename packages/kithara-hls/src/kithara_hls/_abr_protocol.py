"""What a session and a rule for adaptive bitrate tell each other: facts, settings, protocols.

Nothing here has a clock, waits or transfers. Times are seconds of one monotonic clock with any
origin, bitrates bit/s, sizes bytes. A variant is named by its index in ``AbrState.variants``.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

__all__ = (
    "AbrDecision",
    "AbrPolicy",
    "AbrSettings",
    "AbrState",
    "AbrVariant",
    "CanAbandon",
    "CanFlush",
    "DownloadProgress",
    "DownloadSample",
    "Estimate",
    "is_lossless",
)

_LOSSLESS: Final = ("flac", "alac", "lpcm", "ipcm", "fpcm", "dtsl", "mlpa")


@dataclass(frozen=True, slots=True, kw_only=True)
class AbrVariant:
    """One step of the ladder: its mean bitrate in bit/s and its codecs as the playlist has them.

    The bitrate is AVERAGE-BANDWIDTH where there is one, else BANDWIDTH.
    """

    bitrate: float
    codecs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 < self.bitrate < float("inf"):
            raise ValueError(f"bitrate is {self.bitrate}, must be above 0 bit/s and finite")


@dataclass(frozen=True, slots=True, kw_only=True)
class AbrState:
    """What is known when the variant of the next segment is chosen.

    Attributes:
        now: the clock.
        buffer: seconds of media fetched and not yet heard; 0 before the first sound.
        buffer_goal: seconds of media that the session reads ahead at most.
        current: the variant of the segment before, whether it is heard already or not; None
            before the first one.
        segment: seconds of the segment to choose for.
        remaining: seconds of media still to fetch, this segment included; infinity if unknown.
        variants: the whole ladder, in the playlist's order.
        candidates: the indexes that may be chosen, at least one: neither failed nor forbidden.
        playing: False until the first sound after the start, a seek or a skip.
    """

    now: float
    buffer: float
    buffer_goal: float
    current: int | None
    segment: float
    remaining: float
    variants: tuple[AbrVariant, ...]
    candidates: tuple[int, ...]
    playing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadSample:
    """What the network delivered in a stretch of time, over all transfers at once.

    Attributes:
        size: bytes received in ``seconds``, as they came (encrypted, before any decoding).
        seconds: how long at least one body was flowing, waits for a first byte left out.
        ttfb: seconds from the request to its first byte of body; None where the stretch has
            none of its own, or the answer may have waited behind another one.
        cached: the bytes came from the cache; such a sample tells nothing about the network.
        burst: all came at once, as what a proxy or the first window of TCP held back does;
            ``seconds`` is then too short to tell a rate.
    """

    size: int
    seconds: float
    ttfb: float | None = None
    cached: bool = False
    burst: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadProgress:
    """A segment that is being fetched.

    Attributes:
        variant: what was chosen for it.
        size: bytes of the whole segment; None where the server did not tell.
        received: bytes so far.
        elapsed: seconds since the request.
        ttfb: seconds from the request to the first byte; None while there is none.
    """

    variant: int
    size: int | None
    received: int
    elapsed: float
    ttfb: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a rule believes of the path.

    Attributes:
        rate: bit/s while bodies flow.
        spread: standard deviation of the natural logarithm of the rate about ``rate``: 0.1 is
            a steady line, 0.5 a train.
        ttfb: seconds from a request to its first byte.
        samples: stretches of the network that it rests on; 0 is a guess.
    """

    rate: float
    spread: float
    ttfb: float
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AbrDecision:
    """The variant for a segment, and why.

    Attributes:
        variant: the index chosen, one of ``AbrState.candidates``.
        reason: "start" (nothing was chosen before), "keep", "up", "down", "interval" (a switch
            is due, but too soon after the last), "unavailable" (the variant before is no
            candidate any more), "abandon" (instead of a download in flight), "fixed"; a rule
            of your own may use other words.
        estimate: what it was based on; None for a rule that has none.
        buffer: seconds, as in the state.
        merits: what each variant was worth, in the order of ``AbrState.variants``, None where it
            was no candidate; empty for a rule that does not compare.
    """

    variant: int
    reason: str
    estimate: Estimate | None = None
    buffer: float = 0.0
    merits: tuple[float | None, ...] = ()


class AbrPolicy(Protocol):
    """A rule that chooses variants; called on the event loop, in the order of what happens.

    It may also be a `CanAbandon` and a `CanFlush`. It may be shared between sessions of one path.
    """

    def decide(self, state: AbrState) -> AbrDecision:
        """Choose one of ``state.candidates`` for the next segment."""
        ...

    def on_download(self, sample: DownloadSample) -> None:
        """Learn what the network delivered."""
        ...


@runtime_checkable
class CanAbandon(Protocol):
    """A rule that may give up a download in flight for another variant of the same segment."""

    def abandon(self, state: AbrState, progress: DownloadProgress) -> AbrDecision | None:
        """Answer what to fetch instead, or None to go on; asked about twice a second.

        ``state`` is that of the decision with ``now``, ``buffer`` and ``playing`` as of now.
        """
        ...


@runtime_checkable
class CanFlush(Protocol):
    """A rule that wants to know when the buffer was thrown away."""

    def on_flush(self) -> None:
        """A seek or a skip: the next decision is a new start, on the same path."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AbrSettings:
    """What listeners may wish; the defaults need no change.

    Attributes:
        safety_factor: the share of the estimated rate that is counted on. 0.8 is careful, 1.2 is
            bold: more bitrate for more stalls.
        up_hysteresis: how much a step up must bring, 1 as it is heard; 2 switches less often.
        down_hysteresis: the same for a step down. Large values risk stalls.
        min_switch_interval: seconds between two switches; a step down that spares a stall, or
            away from a variant that is gone, is made at once. More than 0 costs quality.
        buffer_goal: seconds of media to read ahead. Longer is better in every respect, at the
            price of what a skip throws away. From 60 seconds on a steady line settles on a
            bitrate; with less than that, or than six segments, a line between two of them may be
            alternated, up to seven switches in five minutes, or three with a
            ``min_switch_interval`` of 60.
        min_bitrate: bit/s; lower variants are chosen only if none of the others is available.
        max_bitrate: bit/s; higher variants are never chosen.
        allowed_codecs: prefixes of codec names such as "mp4a" or "flac"; a variant with a codec
            of none of them is never chosen. None allows all.
        lossless: whether variants in a lossless codec may be chosen beside lossy ones.
    """

    safety_factor: float = 1.0
    up_hysteresis: float = 1.0
    down_hysteresis: float = 1.0
    min_switch_interval: float = 0.0
    buffer_goal: float = 120.0
    min_bitrate: float = 0.0
    max_bitrate: float = float("inf")
    allowed_codecs: tuple[str, ...] | None = None
    lossless: bool = False

    def __post_init__(self) -> None:
        if not 0.1 <= self.safety_factor <= 2.0:
            raise ValueError(f"safety_factor is {self.safety_factor}, must be 0.1 to 2")
        if not (self.up_hysteresis >= 0.0 and self.down_hysteresis >= 0.0):
            raise ValueError("up_hysteresis and down_hysteresis must be 0 or more")
        if not self.min_switch_interval >= 0.0:
            raise ValueError("min_switch_interval must be 0 seconds or more")
        if not self.buffer_goal > 0.0:
            raise ValueError("buffer_goal must be more than 0 seconds")
        if not 0.0 <= self.min_bitrate <= self.max_bitrate:
            raise ValueError("min_bitrate must be 0 or more and not above max_bitrate")

    def candidates(
        self, variants: tuple[AbrVariant, ...], excluded: Collection[int] = ()
    ) -> tuple[int, ...]:
        """The variants that a rule may choose, by rising bitrate; empty if nothing is allowed.

        ``excluded`` failed lately. The cap and the codecs are kept in any case, the floor where
        that leaves something. Lossless variants stay out while ``lossless`` is False, except
        where the ladder has nothing else that is allowed, failed or not.
        """
        allowed = [
            number
            for number, variant in enumerate(variants)
            if variant.bitrate <= self.max_bitrate and self._plays(variant.codecs)
        ]
        if not self.lossless:
            lossy = [number for number in allowed if not is_lossless(variants[number].codecs)]
            allowed = lossy or allowed
        left = sorted(
            (number for number in allowed if number not in excluded),
            key=lambda number: (variants[number].bitrate, number),
        )
        above = [number for number in left if variants[number].bitrate >= self.min_bitrate]
        return tuple(above or left[-1:])

    def _plays(self, codecs: tuple[str, ...]) -> bool:
        if self.allowed_codecs is None:
            return True
        wanted = tuple(prefix.lower() for prefix in self.allowed_codecs)
        return all(codec.lower().startswith(wanted) for codec in codecs)


def is_lossless(codecs: tuple[str, ...]) -> bool:
    """Whether one of the codecs is a lossless one (RFC 6381 names, any case)."""
    return any(codec.lower().startswith(_LOSSLESS) for codec in codecs)
