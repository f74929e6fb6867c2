"""Taking assets away in two phases: a rename into the trash at once, the deletion later."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

from ._leases import LeaseTable
from ._locks import lock_exclusive
from ._root import INDEX
from ._rooted import FOLDER_FLAGS, RootedFs

TRASH = "trash"
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
        self._trash = root / INDEX / TRASH
        self._pins = os.fspath(root / INDEX / PINS)
        self._ends: tuple[int, int] | None = None  # root and trash, while many are moved

    @contextlib.contextmanager
    def alone(self, *, wait: bool) -> Iterator[bool]:
        """Hold the lock of those who evict; False if another process has it, or none can."""
        try:
            fd = self._fs.open(self._root / INDEX / LOCK, os.O_RDWR | os.O_CREAT)
        except OSError:
            yield False  # a root that cannot be written
            return
        try:
            if not lock_exclusive(fd, wait=wait) and self._locks:
                yield False
                return
            with self._many():
                yield True
        finally:
            self._fs.close(fd)

    @contextlib.contextmanager
    def _many(self) -> Iterator[None]:
        """Keep both ends of the moves open. For one thread at a time."""
        with contextlib.ExitStack() as stack:
            if self._fs.by_descriptor:
                with contextlib.suppress(OSError):  # each move then says what is wrong
                    self._fs.make_folders(self._trash)
                    ends = [
                        stack.enter_context(self._fs.locate(folder / "x"))[0]
                        for folder in (self._root, self._trash)
                    ]
                    if None not in ends:
                        self._ends = (ends[0] or 0, ends[1] or 0)
            try:
                yield
            finally:
                self._ends = None

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

    def empty_trash(self, stop: Callable[[], bool]) -> None:
        """Delete what is in the trash, whoever put it there, until `stop` says so."""
        try:
            names = self._fs.names(self._trash)
        except OSError:
            return
        for name in names:
            if stop():
                return
            with contextlib.suppress(OSError), self._fs.locate(self._trash / name) as (fd, at):
                facts = os.stat(at, dir_fd=fd, follow_symlinks=False)
                if stat.S_ISDIR(facts.st_mode):
                    shutil.rmtree(at, ignore_errors=True, dir_fd=fd)
                else:
                    os.unlink(at, dir_fd=fd)

    def _move(self, asset_root: str) -> Outcome:
        target = secrets.token_hex(8)
        if self._ends is not None:
            root, trash_fd = self._ends
            with contextlib.suppress(FileNotFoundError):
                os.rename(asset_root, target, src_dir_fd=root, dst_dir_fd=trash_fd)
                return Outcome.TAKEN
        with self._fs.locate(self._root / asset_root) as (source, name):
            for _ in range(2):
                try:
                    with self._fs.locate(self._trash / target) as (trash, new):
                        os.rename(name, new, src_dir_fd=source, dst_dir_fd=trash)
                    return Outcome.TAKEN
                except FileNotFoundError:
                    self._fs.make_folders(self._trash)
        return Outcome.GONE
