"""Which assets there are, how large they are and when they were used last, as far as is known."""

from __future__ import annotations

import heapq
import threading

_BLOCK = 512
SIZE_BITS = 40
SIZE_MASK = (1 << SIZE_BITS) - 1


class Index:
    """The assets of one root in memory, some 200 bytes each. Thread-safe.

    One number for each asset: the microsecond of its last use above its size in blocks, so that
    the order of numbers is the order of use.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._facts: dict[str, int] = {}
        self._blocks = 0
        self._growing: dict[str, int] = {}
        self._grown = 0
        self.changed = False

    def __len__(self) -> int:
        return len(self._facts)

    def __contains__(self, asset_root: str) -> bool:
        return asset_root in self._facts or asset_root in self._growing

    @property
    def bytes(self) -> int:
        """Bytes on disk of all assets, and what was written since they were measured."""
        return self._blocks * _BLOCK + self._grown

    def touch(self, asset_root: str, used: int) -> None:
        """Note a use, in microseconds since 1970."""
        with self._lock:
            facts = self._facts.get(asset_root, 0)
            self._facts[asset_root] = used << SIZE_BITS | facts & SIZE_MASK
            self.changed = True

    def grow(self, asset_root: str, count: int) -> None:
        """Note that `count` bytes were written into an asset."""
        with self._lock:
            self._growing[asset_root] = self._growing.get(asset_root, 0) + count
            self._grown += count
            self.changed = True

    def measured(self, asset_root: str, used: int, size: int) -> None:
        """Note what an asset takes on disk; a later use that is known stays."""
        blocks = min((size + _BLOCK - 1) // _BLOCK, SIZE_MASK)
        with self._lock:
            facts = self._facts.get(asset_root, 0)
            used = max(used, facts >> SIZE_BITS)
            self._blocks += blocks - (facts & SIZE_MASK)
            self._facts[asset_root] = used << SIZE_BITS | blocks
            self._grown -= self._growing.pop(asset_root, 0)
            self.changed = True

    def forget(self, asset_root: str) -> None:
        """An asset is gone."""
        with self._lock:
            facts = self._facts.pop(asset_root, 0)
            self._blocks -= facts & SIZE_MASK
            self._grown -= self._growing.pop(asset_root, 0)
            self.changed = True

    def growing(self) -> list[str]:
        """Which assets were written since they were measured."""
        with self._lock:
            return list(self._growing)

    def size(self, asset_root: str) -> int:
        """Bytes on disk of one asset, as it was measured last."""
        return (self._facts.get(asset_root, 0) & SIZE_MASK) * _BLOCK

    def used(self, asset_root: str) -> int:
        """When an asset was used last, in microseconds since 1970; 0 if that is not known."""
        return self._facts.get(asset_root, 0) >> SIZE_BITS

    def oldest(self, count: int) -> list[str]:
        """The least recently used assets, in that order."""
        with self._lock:
            pairs = heapq.nsmallest(count, zip(self._facts.values(), self._facts, strict=True))
        return [asset_root for _, asset_root in pairs]

    def names(self) -> list[str]:
        """Every asset that is known."""
        with self._lock:
            return list(self._facts)

    def numbers(self) -> dict[str, int]:
        """Everything, as it is kept: microseconds of the last use above `SIZE_BITS` of blocks."""
        with self._lock:
            return dict(self._facts)

    def adopt(self, numbers: dict[str, int]) -> None:
        """Take over what a snapshot says, but for what happened since."""
        with self._lock:
            for asset_root, known in self._facts.items():
                size = known & SIZE_MASK or numbers.get(asset_root, 0) & SIZE_MASK
                numbers[asset_root] = known >> SIZE_BITS << SIZE_BITS | size
            self._facts = numbers
            self._blocks = sum(number & SIZE_MASK for number in numbers.values())
