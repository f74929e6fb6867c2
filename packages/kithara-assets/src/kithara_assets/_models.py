"""The small facts that cross the edge of this package."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictConfig:
    """How large a cache may grow, and how far it shrinks when it is too large.

    `None` means no limit. Sizes are bytes on disk, holes of sparse files not counted. Eviction
    begins when a cap is filled to `high_watermark` of it and goes on down to `low_watermark`.
    """

    max_bytes: int | None = 4096 * MIB
    """All assets together."""
    max_assets: int | None = 100_000
    """How many assets."""
    max_age: float | None = None
    """Seconds since the last use."""
    min_free_bytes: int | None = 512 * MIB
    """What stays free on the disk; never more than a tenth of it."""
    high_watermark: float = 0.95
    low_watermark: float = 0.90

    def __post_init__(self) -> None:
        for limit in (self.max_bytes, self.max_assets, self.max_age, self.min_free_bytes):
            if limit is not None and limit < 0:
                raise ValueError("a limit is not negative; None means none")
        if not 0 < self.low_watermark <= self.high_watermark <= 1:
            raise ValueError("0 < low_watermark <= high_watermark <= 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What an eviction, `clear` or `verify` took away: assets, and their bytes on disk."""

    assets: int = 0
    bytes: int = 0
