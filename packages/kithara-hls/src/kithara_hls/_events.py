"""What a session tells those who watch; URLs come without user-info and query."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from kithara_assets import CacheDegraded

from ._abr_protocol import AbrDecision
from ._playlist import Rendition, Variant

__all__ = (
    "BufferLevel",
    "CacheDegraded",
    "FailedOver",
    "HlsEvent",
    "KeyFetched",
    "PlaylistLoaded",
    "SegmentComplete",
    "SegmentRetried",
    "SegmentSkipped",
    "SegmentStarted",
    "SessionEnded",
    "SessionFailed",
    "ThroughputSample",
    "TimeSought",
    "VariantApplied",
    "VariantSelected",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaylistLoaded:
    """A playlist was fetched, or found in the cache; ``segments`` is 0 for a multivariant one."""

    kind: Literal["multivariant", "media"]
    url: str
    segments: int
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantSelected:
    """This variant is fetched from segment ``index`` on.

    ``rendition`` is its audio if that has segments of its own. ``reason`` is "start", "manual",
    "failover", or what the rule said; ``decision`` is the whole of that, None if none was asked.
    """

    variant: Variant
    rendition: Rendition | None
    reason: str
    index: int
    decision: AbrDecision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantApplied:
    """A reader has come to segments of this variant, the first of them being ``index``."""

    variant: Variant
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFetched:
    """A key is there: from the cache, else from the network or from a data: URL."""

    url: str
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentStarted:
    """The bytes of a part begin to arrive; ``index`` is None for an init section.

    ``variant`` is the index of the one that it is fetched for, here and in the next two events;
    others may share it as the same rendition.
    """

    index: int | None
    variant: int
    url: str
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentComplete:
    """A part is in the cache, ``size`` bytes as received; ``index`` is None for an init section.

    ``seconds`` is the media in it by the playlist, 0 for an init section.
    """

    index: int | None
    variant: int
    url: str
    size: int
    seconds: float
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRetried:
    """A request for a part failed with ``error``, and is made again."""

    index: int | None
    variant: int
    url: str
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedOver:
    """Variant ``variant`` is not asked for ``excluded_for`` seconds: ``error`` is why."""

    variant: int
    index: int
    error: Exception
    excluded_for: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSkipped:
    """A lost segment was left out; a decoder fills its ``duration`` seconds from ``start``."""

    index: int
    start: float
    duration: float
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferLevel:
    """Seconds of media, and their bytes, that were fetched and not read yet."""

    seconds: float
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputSample:
    """What the network gave, over all transfers at once; never anything from the cache.

    ``seconds`` is how long at least one body was flowing, ``ttfb`` the wait for the first byte of
    the transfer that ended; None if there was none.
    """

    bytes: int
    seconds: float
    ttfb: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSought:
    """A reader asked for ``seconds``, and goes on at ``landed``, the begin of segment ``index``."""

    seconds: float
    landed: float
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFailed:
    """The session fetches no more; readers get ``error`` where bytes are missing."""

    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded:
    """Every part up to the end is in the cache; ``size`` bytes are what readers get in all."""

    size: int


HlsEvent: TypeAlias = (
    PlaylistLoaded
    | VariantSelected
    | VariantApplied
    | KeyFetched
    | SegmentStarted
    | SegmentComplete
    | SegmentRetried
    | SegmentSkipped
    | FailedOver
    | BufferLevel
    | ThroughputSample
    | TimeSought
    | CacheDegraded
    | SessionFailed
    | SessionEnded
)
