"""Facts that a caller states and reads: ranges, response heads, options."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RangeSpec:
    """A half-open range of bytes `[start, stop)`; `stop=None` means "to the end".

    Raises `ValueError` for a negative start and for an empty or reversed range: HTTP cannot ask
    for nothing.
    """

    start: int
    stop: int | None = None

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ValueError(f"a byte range starts at 0 or later, not at {self.start}")
        if self.stop is not None and self.stop <= self.start:
            raise ValueError(f"the byte range [{self.start}, {self.stop}) is empty")

    def header(self) -> str:
        """The value of the `Range` header: `bytes=0-99` for `[0, 100)`."""
        last = "" if self.stop is None else str(self.stop - 1)
        return f"bytes={self.start}-{last}"

    def __str__(self) -> str:
        return f"[{self.start}, {'end' if self.stop is None else self.stop})"
