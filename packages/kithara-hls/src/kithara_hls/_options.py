"""How to open an HLS source."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ._parse import MAX_PLAYLIST_BYTES, MAX_SEGMENTS

__all__ = ("HlsOptions",)


@dataclass(frozen=True, slots=True, kw_only=True)
class HlsOptions:
    """What to play, how far to read ahead, and the limits of what is accepted.

    Attributes:
        variant: index in the playlist's order, or "best" / "worst" by bandwidth.
        look_ahead: bytes fetched beyond the furthest reader; 0 fetches only what is waited for.
        offline: answer from the cache alone; a missing piece raises OfflineMiss.
        key_processor: called with a fetched key and its URL, answers the 16 bytes to use; what
            it answers is what is cached. It runs on the event loop. None uses keys as they come.
        max_playlist_bytes: a longer playlist is refused.
        max_segments: a playlist with more segments is refused.
    """

    variant: int | Literal["best", "worst"] = "best"
    look_ahead: int = 2 * 1024 * 1024
    offline: bool = False
    key_processor: Callable[[bytes, str], bytes] | None = None
    max_playlist_bytes: int = MAX_PLAYLIST_BYTES
    max_segments: int = MAX_SEGMENTS

    def __post_init__(self) -> None:
        if self.look_ahead < 0:
            raise ValueError(f"look_ahead is {self.look_ahead}, must be 0 or more bytes")
        if self.max_playlist_bytes < 1 or self.max_segments < 1:
            raise ValueError("max_playlist_bytes and max_segments must be 1 or more")
        if isinstance(self.variant, str) and self.variant not in ("best", "worst"):
            raise ValueError(f"variant is {self.variant!r}, must be an index, 'best' or 'worst'")
