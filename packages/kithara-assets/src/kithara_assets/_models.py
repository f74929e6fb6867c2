"""The small facts that cross the edge of this package."""

from __future__ import annotations

from dataclasses import dataclass

from kithara_storage import DiskFull

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """Whether everything of an asset is there; true in a condition if so.

    `missing` names its resources that are not there, or not whole. What an asset needs is known if
    it was pinned with `needs`; else it is complete if it has a resource and none was only begun.
    """

    complete: bool
    missing: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.complete


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFacts:
    """One asset of a cache: `bytes` on disk, `last_use` in seconds since 1970."""

    asset_root: str
    bytes: int
    last_use: float
    pinned: bool
    leased: bool
    """Whether it is in use now, in this process or another."""
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a cache takes: `bytes` on disk and `assets`, `pinned` of these, `free` on the disk."""

    bytes: int
    assets: int
    pinned: int
    free: int | None
    """Bytes; None where the system does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What `verify` found: how many files it `checked`, and which it `dropped`, by their paths."""

    checked: int
    dropped: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheDegraded:
    """The disk is full and nothing more could be evicted; told once to whoever goes on without.

    Attributes:
        error: what was refused; its `kept` bytes of that resource are on the disk.
    """

    error: DiskFull
