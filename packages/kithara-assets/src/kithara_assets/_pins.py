"""Pins: what the user wants to keep, as files, so that a pin survives everything but the user."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from ._key import ResourceKey, is_asset_root
from ._removal import PINS
from ._root import INDEX, read_small, write_small
from ._rooted import RootedFs

_MAGIC = "kithara pin 1"
_LIMIT = 64 * 1024 * 1024


class Pins:
    """The pins of one root. A file is a pin, whatever is in it; what its asset needs is inside."""

    def __init__(self, root: Path, fs: RootedFs) -> None:
        self._folder = root / INDEX / PINS
        self._fs = fs

    def add(self, asset_root: str, needs: Iterable[str]) -> None:
        """Pin an asset, on the disk when this returns; again replaces what it needs."""
        keys = [ResourceKey(asset_root, rel_path) for rel_path in needs]
        lines = [_MAGIC, *sorted({key.rel_path for key in keys}), ""]
        write_small(self._fs, self._folder / asset_root, "\n".join(lines).encode())

    def remove(self, asset_root: str) -> bool:
        """Unpin an asset; whether it was pinned."""
        place = self._folder / asset_root
        if self._fs.stat(self._folder) is None or self._fs.stat(place) is None:
            return False
        self._fs.unlink(place)
        self._fs.fsync_dir(self._folder)
        return True

    def names(self) -> list[str]:
        """Every pinned asset, sorted; also one that is not there any more."""
        try:
            found = self._fs.names(self._folder)
        except OSError:
            return []
        return sorted(name for name in found if is_asset_root(name))

    def needs(self, asset_root: str) -> list[str]:
        """Which resources were said to make the asset whole; none if nobody said, or it is lost."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            place = self._folder / asset_root
            facts = self._fs.stat(place)
            if facts is not None and facts.st_size < _LIMIT:
                lines = read_small(self._fs, place, facts.st_size).decode("ascii").split("\n")
                if lines[0] == _MAGIC and lines[-1] == "":
                    return lines[1:-1]
        return []


def lies_in(folder: str, rel_path: str) -> bool:
    """Whether a resource is there, whole, by its name."""
    try:
        facts = os.stat(os.path.join(folder, *rel_path.split("/")), follow_symlinks=False)
    except OSError:
        return False
    return facts.st_size > 0
