"""How to open an HLS source."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from kithara_net import RetryPolicy

from ._abr_protocol import AbrPolicy, AbrSettings
from ._parse import MAX_PLAYLIST_BYTES, MAX_SEGMENTS

__all__ = ("HlsOptions", "KeyContext", "KeyProcessor")

_NAMED = ("auto", "best", "worst")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyContext:
    """What a key is for: the first segment that needs it, its method, and where the list is.

    URLs are as the playlist has them, queries included: do not show them.
    """

    segment_url: str = field(repr=False)
    playlist_url: str = field(repr=False)
    method: str


KeyProcessor: TypeAlias = Callable[[bytes, str, KeyContext], bytes | Awaitable[bytes]]
"""Called with a fetched key, its URL and what it is for; answers the key to use, or awaits it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HlsOptions:
    """What to play, how far to read ahead, and the limits of what is accepted.

    Attributes:
        variant: "auto" chooses for each segment; or an index in the playlist's order, or
            "best" / "worst" by bandwidth.
        language: the language of the audio rendition (RFC 5646); None takes the default one.
        abr: what "auto" may choose, and how many seconds are read ahead in any case.
        abr_policy: chooses in place of the built-in rule; may be shared between sessions.
        look_ahead: bytes fetched beyond the furthest reader; 0 fetches only what is waited for.
        parallel: segments fetched at once, at most; 6 as in browsers, so that short segments
            fill a fast line with a long round trip. A slow line is not shared by so many.
        retry: how often and how patiently a part is asked for before another variant is; its
            ``max_retries`` counts failures with no byte between them.
        lost: what to do about a segment that cannot be had at all: "raise" SegmentLost, or go on
            behind it, so that a decoder fills its time with "silence".
        offline: answer from the cache alone; a missing piece raises OfflineMiss.
        key_processor: called with a fetched key before it is cached, on the event loop. None
            uses keys as they come.
        max_playlist_bytes: a longer playlist is refused.
        max_segments: a playlist with more segments is refused.
    """

    variant: int | Literal["auto", "best", "worst"] = "auto"
    language: str | None = None
    abr: AbrSettings = field(default_factory=AbrSettings)
    abr_policy: AbrPolicy | None = None
    look_ahead: int = 16 * 1024 * 1024
    parallel: int = 6
    retry: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(max_retries=3, base_delay=0.25, max_delay=4.0)
    )
    lost: Literal["raise", "silence"] = "raise"
    offline: bool = False
    key_processor: KeyProcessor | None = None
    max_playlist_bytes: int = MAX_PLAYLIST_BYTES
    max_segments: int = MAX_SEGMENTS

    def __post_init__(self) -> None:
        if self.look_ahead < 0:
            raise ValueError(f"look_ahead is {self.look_ahead}, must be 0 or more bytes")
        if self.parallel < 1:
            raise ValueError(f"parallel is {self.parallel}, must be 1 or more segments")
        if self.max_playlist_bytes < 1 or self.max_segments < 1:
            raise ValueError("max_playlist_bytes and max_segments must be 1 or more")
        if isinstance(self.variant, str) and self.variant not in _NAMED:
            raise ValueError(f"variant is {self.variant!r}, must be an index or one of {_NAMED}")
        if self.lost not in ("raise", "silence"):
            raise ValueError(f"lost is {self.lost!r}, must be 'raise' or 'silence'")
