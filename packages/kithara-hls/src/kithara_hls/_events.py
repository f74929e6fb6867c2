"""What a session tells those who watch; URLs come without user-info and query."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ._playlist import Rendition, Variant

__all__ = (
    "HlsEvent",
    "KeyFetched",
    "PlaylistLoaded",
    "SegmentComplete",
    "SegmentStarted",
    "SessionEnded",
    "SessionFailed",
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
    """This variant is played; ``rendition`` is its audio if that has segments of its own."""

    variant: Variant
    rendition: Rendition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFetched:
    """A key is there, from the network or from the cache."""

    url: str
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentStarted:
    """The bytes of a part begin to be readable; ``index`` is None for an init section."""

    index: int | None
    url: str
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentComplete:
    """A part is in the cache, ``size`` bytes as received; ``index`` is None for an init section."""

    index: int | None
    url: str
    size: int
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFailed:
    """The session fetches no more; readers get ``error`` where bytes are missing."""

    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded:
    """Every part of the variant is in the cache; ``size`` bytes are what a reader gets."""

    size: int


HlsEvent: TypeAlias = (
    PlaylistLoaded
    | VariantSelected
    | KeyFetched
    | SegmentStarted
    | SegmentComplete
    | SessionFailed
    | SessionEnded
)
