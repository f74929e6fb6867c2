"""Taking assets away in two phases: a rename into the trash at once, the deletion later.

Trash lies in the root itself, under names that no asset has: to move a folder into another one
takes a file system three times as long.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

from ._leases import LeaseTable
from ._locks import lock_exclusive
from ._root import INDEX
from ._rooted import FOLDER_FLAGS, RootedFs

TRASH = "_trash-"
PINS = "pins"
LOCK = "evict.lock"
UNLOCKED_SECONDS = 3600.0
"""How long an asset is left alone after its last use where locks do not reach everybody."""


class Outcome(Enum):
    """What became of the wish to remove an asset."""

    TAKEN = "taken"
    GONE = "gone"
    LEASED = "leased"
    PINNED = "pinned"
    USED = "used"
    """Somebody used it since the index was told."""
    STUCK = "stuck"
    """The system refuses."""


class Remover:
    """The one way to remove an asset of a root that other processes use too."""

    def __init__(self, root: Path, fs: RootedFs, leases: LeaseTable, *, locks: bool) -> None:
        self._root = root
        self._fs = fs
        self._leases = leases
        self._locks = locks
        self._pins = os.fspath(root / INDEX / PINS)
        self._trash: deque[str] = deque()

    @contextlib.contextmanager
    def alone(self, *, wait: bool) -> Iterator[bool]:
        """Hold the lock of those who evict; False if another process has it, or none can."""
        try:
            fd = self._fs.open(self._root / INDEX / LOCK, os.O_RDWR | os.O_CREAT)
        except OSError:
            yield False  # a root that cannot be written
            return
        try:
            yield lock_exclusive(fd, wait=wait) or not self._locks
        finally:
            self._fs.close(fd)

    def take(
        self, asset_root: str, *, unused_since: int | None = None, pinned: bool = False
    ) -> Outcome:
        """Move an asset into the trash, unless somebody uses it.

        With `unused_since` (microseconds since 1970) also unless it was used later than that; with
        `pinned` even if it is pinned.
        """
        with self._leases.unused(asset_root) as unused:
            return self._take(asset_root, unused_since, pinned) if unused else Outcome.LEASED

    def _take(self, asset_root: str, unused_since: int | None, pinned: bool) -> Outcome:
        path = f"{self._root}/{asset_root}"
        fd = -1
        try:
            if self._fs.by_descriptor:
                fd = os.open(path, FOLDER_FLAGS)
                if not lock_exclusive(fd) and self._locks:
                    return Outcome.LEASED
            facts = os.stat(path, follow_symlinks=False)
            if fd >= 0 and not os.path.samestat(facts, os.fstat(fd)):
                return Outcome.LEASED  # another one came in its place before it was locked
            if not self._locks and time.time() - facts.st_mtime < UNLOCKED_SECONDS:
                return Outcome.LEASED
            if unused_since is not None and facts.st_mtime_ns // 1000 > unused_since:
                return Outcome.USED
            if not pinned and self.is_pinned(asset_root):
                return Outcome.PINNED
            return self._move(asset_root)
        except FileNotFoundError:
            return Outcome.GONE
        except OSError:
            return Outcome.STUCK
        finally:
            if fd >= 0:
                os.close(fd)

    def is_leased(self, asset_root: str) -> bool:
        """Whether somebody uses an asset now; others are seen only where locks reach them."""
        with self._leases.unused(asset_root) as unused:
            if not unused:
                return True
            if not self._fs.by_descriptor or not self._locks:
                return False
            try:
                fd = os.open(self._root / asset_root, FOLDER_FLAGS)
            except OSError:
                return False
            try:
                return not lock_exclusive(fd)
            finally:
                os.close(fd)

    def is_pinned(self, asset_root: str) -> bool:
        """Whether the user wants to keep an asset."""
        return os.path.lexists(f"{self._pins}/{asset_root}")

    def find_trash(self) -> None:
        """Look for what is to be deleted, whoever took it: others may have been killed."""
        with contextlib.suppress(OSError):
            names = self._fs.names(self._root)
            self._trash = deque(name for name in names if name.startswith(TRASH))

    def empty_trash(self, stop: Callable[[], bool]) -> None:
        """Delete what was taken or found, until `stop` says so. Any thread."""
        while self._trash and not stop():
            with contextlib.suppress(OSError, IndexError):
                self._delete(self._trash.popleft())

    def _delete(self, name: str) -> None:
        with self._fs.locate(self._root / name) as (fd, at):
            facts = os.stat(at, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISDIR(facts.st_mode):
                shutil.rmtree(at, ignore_errors=True, dir_fd=fd)
            else:
                os.unlink(at, dir_fd=fd)

    def _move(self, asset_root: str) -> Outcome:
        target = TRASH + secrets.token_hex(8)
        os.rename(f"{self._root}/{asset_root}", f"{self._root}/{target}")
        self._trash.append(target)
        return Outcome.TAKEN
