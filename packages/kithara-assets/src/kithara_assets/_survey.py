"""What is on the disk: how much each asset takes, and when it was used last."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ._index import Index
from ._key import is_asset_root

_BLOCK = 512
_SLACK = 2_000_000  # microseconds that the clocks of a file system and of a process may differ


def now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def assets_below(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The folders of assets and what is known about each; those that vanish are left out."""
    with os.scandir(root) as entries:
        for entry in entries:
            if not is_asset_root(entry.name):
                continue
            try:
                facts = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(facts.st_mode):
                yield entry.name, facts


def measure(folder: str) -> int:
    """Bytes on disk of a folder and all below it, symbolic links not followed; 0 if it is gone.

    Some file systems (tmpfs) count nothing for a folder: 0 does not say that it is gone.
    """
    try:
        return on_disk(os.stat(folder, follow_symlinks=False)) + _measure_below(folder)
    except OSError:
        return 0


def _measure_below(folder: str) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                total += on_disk(entry.stat(follow_symlinks=False))
                if entry.is_dir(follow_symlinks=False):
                    total += _measure_below(entry.path)
            except FileNotFoundError:
                continue
    return total


def on_disk(facts: os.stat_result) -> int:
    """Bytes that a file takes on disk, where the system tells; else how long it is."""
    blocks = getattr(facts, "st_blocks", None)
    return facts.st_size if blocks is None else int(blocks) * _BLOCK


def reconcile(
    root: Path, index: Index, as_of: int, stop: Callable[[], bool], gone: Callable[[str], None]
) -> bool:
    """Compare the index with the disk, the disk being right; False if `stop` cut it short.

    What was not used since `as_of` keeps its size; what is not on the disk is told to `gone`.
    """
    present: set[str] = set()
    prefix = os.fspath(root) + os.sep
    begun = now()
    for asset_root, facts in assets_below(root):
        if stop():
            return False
        used = facts.st_mtime_ns // 1000
        if asset_root in index and used < as_of - _SLACK:
            index.touch(asset_root, max(used, index.used(asset_root)))
        else:
            index.measured(asset_root, min(used, begun), measure(prefix + asset_root))
        present.add(asset_root)
    for asset_root in index.names():
        if asset_root not in present:
            gone(asset_root)
    return True
