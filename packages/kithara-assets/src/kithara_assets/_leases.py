"""Leases: shared locks on the folders of assets that are in use, freed by the kernel at the latest.

A folder may be removed by whoever has its exclusive lock, so whoever locks one must check that the
name still leads to it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from ._errors import StoreClosed
from ._locks import lock_exclusive, lock_shared
from ._rooted import FOLDER_FLAGS, as_link_error

TOUCH_SECONDS = 60.0
"""How old the time of last use on disk may get while an asset is in use."""


class Held:
    """The folder of one asset, locked by this process; `uses` counts who needs that."""

    __slots__ = ("fd", "made", "replaced", "touched", "uses")

    def __init__(self, fd: int) -> None:
        self.fd = fd  # -1 where folders cannot be opened, and in a forked child
        self.uses = 0
        self.touched = 0.0  # seconds since 1970: the last use that is noted on disk
        self.made = False  # files were made: nothing may be left of them
        self.replaced: list[int] = []


class LeaseTable:
    """The leases of one process on one root: one descriptor for each asset, however many use it.

    A forked child has none of them and takes none. Thread-safe.
    """

    def __init__(
        self,
        root: Path,
        *,
        removed: Callable[[str], None] | None = None,
        written: Callable[[str], None] | None = None,
    ) -> None:
        self._removed = removed
        self._written = written
        self._root = os.fspath(root)
        self._by_descriptor = os.open in os.supports_dir_fd
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}
        self._forked = False
        self.made: set[str] = set()  # whose folder came into being here
        with _fork_lock:
            _TABLES.add(self)

    def acquire(self, asset_root: str, *, make: bool) -> Held | None:
        """Use an asset; None if it has no folder and none is to be made. Pair with `release`.

        Waits while somebody removes the asset, which takes microseconds. Raises `OSError`,
        `StoreClosed` in a forked child.
        """
        with self._lock:
            held = self._held.get(asset_root)
            if held is None:
                if self._forked:
                    raise StoreClosed
                held = self._open(asset_root, make=make)
                if held is None:
                    return None
                self._held[asset_root] = held
            held.uses += 1
            held.made = held.made or make
            return held

    def borrow(self, asset_root: str) -> Held | None:
        """Use an asset if it is in use already. Pair with `release`."""
        with self._lock:
            held = self._held.get(asset_root)
            if held is not None:
                held.uses += 1
            return held

    def release(self, asset_root: str, held: Held) -> None:
        """End one use; the last one gives the lock back and leaves no empty folder."""
        with self._lock:
            held.uses -= 1
            if held.uses > 0 or self._held.get(asset_root) is not held:
                return
            del self._held[asset_root]
            if held.fd < 0:
                return
            try:
                self._leave(asset_root, held)
            finally:
                for fd in (held.fd, *held.replaced):
                    os.close(fd)
        if held.made and self._written is not None:
            self._written(asset_root)

    @contextlib.contextmanager
    def unused(self, asset_root: str) -> Iterator[bool]:
        """Keep an asset unused in this process meanwhile; False if it is in use."""
        with self._lock:
            yield asset_root not in self._held

    def renew(self, asset_root: str) -> None:
        """Lock the folder anew if somebody removed or replaced it behind our back."""
        with self._lock:
            held = self._held.get(asset_root)
            if held is None or held.fd < 0 or self._leads_to(asset_root, held):
                return
            fresh = self._open(asset_root, make=True)
            assert fresh is not None
            held.replaced.append(held.fd)  # somebody may be using it at this moment
            held.fd = fresh.fd

    def touch(self, held: Held) -> None:
        """Note on disk that an asset is in use now."""
        held.touched = time.time()
        if held.fd >= 0:
            with contextlib.suppress(OSError):  # a cache that cannot be written keeps no order
                os.utime(held.fd)

    def _open(self, asset_root: str, *, make: bool) -> Held | None:
        path = f"{self._root}/{asset_root}"
        while True:
            try:
                fd = self._open_folder(path)
            except FileNotFoundError:
                if not make:
                    return None
                with contextlib.suppress(FileExistsError):
                    os.mkdir(path, 0o700)
                    self.made.add(asset_root)
                continue
            if fd < 0:
                return Held(fd)
            lock_shared(fd)
            held = Held(fd)
            if self._leads_to(asset_root, held):
                break
            os.close(fd)
        if time.time() - held.touched > TOUCH_SECONDS:
            self.touch(held)
        return held

    def _open_folder(self, path: str) -> int:
        if not self._by_descriptor:
            facts = os.stat(path, follow_symlinks=False)
            if stat.S_ISLNK(facts.st_mode):
                raise as_link_error()
            return -1
        try:
            return os.open(path, FOLDER_FLAGS)
        except NotADirectoryError as error:
            if os.path.islink(path):
                raise as_link_error() from error
            raise

    def _leads_to(self, asset_root: str, held: Held) -> bool:
        opened = os.fstat(held.fd)
        held.touched = opened.st_mtime
        try:
            named = os.stat(f"{self._root}/{asset_root}", follow_symlinks=False)
        except FileNotFoundError:
            return False
        return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)

    def _leave(self, asset_root: str, held: Held) -> None:
        if held.made:
            self.touch(held)
            if lock_exclusive(held.fd) and self._leads_to(asset_root, held):
                with contextlib.suppress(OSError):  # it is not empty, which is the rule
                    remove_empty(held.fd)
                    os.rmdir(f"{self._root}/{asset_root}")
                    if self._removed is not None:
                        self._removed(asset_root)
        elif time.time() - held.touched > TOUCH_SECONDS:
            self.touch(held)

    def _forget_in_child(self) -> None:
        """Close without unlocking: the locks are the parent's."""
        self._forked = True
        for held in self._held.values():
            for fd in (held.fd, *held.replaced):
                if fd >= 0:
                    os.close(fd)
            held.fd = -1
            held.replaced.clear()
        self._held.clear()


class Lease:
    """The promise that an asset stays; given by `DiskAssetStore.lease`.

    Ends with `close`, with the `with` block, or with the process.
    """

    def __init__(self, table: LeaseTable, asset_root: str, held: Held) -> None:
        self._table = table
        self._asset_root = asset_root
        self._held: Held | None = held

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Lease {self._asset_root}{' closed' if self._held is None else ''}>"

    @property
    def asset_root(self) -> str:
        """The asset that stays."""
        return self._asset_root

    def close(self) -> None:
        """Give the asset free; idempotent."""
        held, self._held = self._held, None
        if held is not None:
            self._table.release(self._asset_root, held)


def remove_empty(fd: int) -> None:
    """Remove the folders below an open one that hold no file; `OSError` at the first file."""
    with os.scandir(fd) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                raise FileExistsError(entry.name)
            below = os.open(entry.name, FOLDER_FLAGS, dir_fd=fd)
            try:
                remove_empty(below)
            finally:
                os.close(below)
            os.rmdir(entry.name, dir_fd=fd)


# The system calls back for the process, not for an object: all tables that live, weakly.
_TABLES: weakref.WeakSet[LeaseTable] = weakref.WeakSet()
_stopped: list[LeaseTable] = []
_fork_lock = threading.Lock()


def _before_fork() -> None:
    _fork_lock.acquire()
    for table in list(_TABLES):
        table._lock.acquire()
        _stopped.append(table)


def _go_on() -> Iterator[LeaseTable]:
    while _stopped:
        table = _stopped.pop()
        yield table
        table._lock.release()
    _fork_lock.release()


def _in_parent() -> None:
    for _ in _go_on():
        pass


def _in_child() -> None:
    for table in _go_on():
        table._forget_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
