"""A disk for tests: it can lose what was not synced, be full, fail, and stop at any call."""

from __future__ import annotations

import errno
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from kithara_storage._fs import folder_of
from kithara_storage._memory import MemoryFile, MemoryFs

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrPath

__all__ = ("Pick", "SimFs")

Pick: TypeAlias = Callable[[int], int]
"""Chooses one of `n` possibilities, as a number from 0 to `n - 1`."""

_Change: TypeAlias = tuple[int, bytes | None]  # a write at an offset, or (None) a new size
_NameChange: TypeAlias = tuple[str, str | None, "_SimFile | None"]  # name, old name, file
_boots = itertools.count(1)


class _SimFile(MemoryFile):
    """A file that knows which of its changes were synced."""

    def __init__(self, number: int, mode: int) -> None:
        super().__init__(number, mode)
        self.synced = b""
        self.changes: list[_Change] = []

    def content(self) -> bytes:
        view = memoryview(bytearray(self.size))
        self.read_into(view, 0)
        return bytes(view)

    def sync(self) -> None:
        self.synced = self.content()
        self.changes.clear()

    def after(self, pick: Pick | None) -> _SimFile:
        """A copy as it is now, or (with `pick`) as a power cut may leave it."""
        copy = _SimFile(self.number, self.mode)
        if pick is None:
            copy.write(memoryview(self.content()), 0)
            copy.size = self.size
            copy.synced, copy.changes = self.synced, list(self.changes)
            return copy
        copy.write(memoryview(self.synced), 0)
        for place, data in self.changes:
            if data is None:
                if pick(2):
                    copy.resize(place)
                continue
            kept = (0, len(data), len(data) // 2)[pick(3)]
            if kept:
                copy.write(memoryview(data)[:kept], place)
        copy.sync()
        return copy


class SimFs(MemoryFs):
    """A simulated disk behind the seam `FsOps`, for tests of what survives which accident.

    Nothing is safe before its own sync: bytes before `fdatasync` of their file, names before
    `fsync_dir` of their folder, each change apart from all others. `after_kill` and
    `after_power_cut` give the disk that the next process finds; this one stays as it is.

    `room` is how many more bytes can be written (None: any number), `most` how many one call
    writes; both may be set at any time. Thread-safe.
    """

    def __init__(self, *, room: int | None = None, most: int | None = None) -> None:
        super().__init__()
        self.room = room
        self.most = most
        self.calls: Counter[str] = Counter()
        self.changes = 0
        self._boot = next(_boots).to_bytes(16, "little")
        self._synced_names: dict[str, MemoryFile] = {}
        self._name_changes: list[_NameChange] = []
        self._faults: dict[str, list[int]] = {}
        self._last_change: int | None = None

    def fail_next(self, call: str, code: int = errno.EIO) -> None:
        """Let the next call of that name (as "fdatasync") fail with an error number."""
        self._faults.setdefault(call, []).append(code)

    def freeze_after(self, changes: int) -> None:
        """Let every call fail after so many more that change something: the process is dead."""
        self._last_change = self.changes + changes

    def after_kill(self) -> SimFs:
        """The disk after kill -9: everything that was written, no locks."""
        return self._after(None)

    def after_power_cut(self, pick: Pick) -> SimFs:
        """The disk after a power cut: what was synced, and of the rest what `pick` chooses."""
        return self._after(pick)

    def power_cuts(self, limit: int) -> Iterator[SimFs]:
        """Every disk that a power cut may leave, up to `limit` of them."""
        trail: list[tuple[int, int]] = []
        for _ in range(limit):
            at = 0

            def pick(count: int) -> int:
                nonlocal at
                if at == len(trail):
                    trail.append((0, count))
                at += 1
                return trail[at - 1][0]

            yield self._after(pick)
            while trail and trail[-1][0] == trail[-1][1] - 1:
                trail.pop()
            if not trail:
                return
            trail[-1] = (trail[-1][0] + 1, trail[-1][1])

    def content(self, path: StrPath) -> bytes | None:
        """What a file holds; None if there is none."""
        with self._lock:
            file = self._names.get(os.fspath(path))
            return file.content() if isinstance(file, _SimFile) else None

    def put(self, path: StrPath, data: bytes) -> None:
        """Place a file, synced with its name."""
        with self._lock:
            file = _SimFile(next(self._numbers), 0o600)
            file.write(memoryview(data), 0)
            file.sync()
            name = os.fspath(path)
            self._names[name] = self._synced_names[name] = file

    def open(self, path: StrPath, flags: int, mode: int = 0o600) -> int:
        """As on a disk."""
        self._step("open", changes=bool(flags & os.O_CREAT))
        return super().open(path, flags, mode)

    def unlink(self, path: StrPath) -> None:
        """As on a disk."""
        self._step("unlink")
        with self._lock:
            name = os.fspath(path)
            if name in self._names:
                super().unlink(name)
                self._name_changes.append((name, None, None))

    def rename(self, source: StrPath, target: StrPath) -> None:
        """As on a disk: one change of two names."""
        self._step("rename")
        with self._lock:
            super().rename(source, target)
            old, new = os.fspath(source), os.fspath(target)
            self._name_changes.append((new, old, self._sim(self._names[new])))

    def preadv(self, fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        """As on a disk."""
        self._step("preadv", changes=False)
        return super().preadv(fd, buffers, offset)

    def pwritev(self, fd: int, buffers: Sequence[ReadableBuffer], offset: int) -> int:
        """As on a disk with `room`, `most` bytes at a time."""
        self._step("pwritev")
        with self._lock:
            data = b"".join(bytes(buffer) for buffer in buffers)[: self.most]
            if self.room is not None:
                if not self.room:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                data = data[: self.room]
                self.room -= len(data)
            self._sim(self._file(fd)).changes.append((offset, data))
            return super().pwritev(fd, [data], offset)

    def ftruncate(self, fd: int, length: int) -> None:
        """As on a disk."""
        self._step("ftruncate")
        with self._lock:
            super().ftruncate(fd, length)
            self._sim(self._file(fd)).changes.append((length, None))

    def fdatasync(self, fd: int) -> None:
        """Make the bytes and the size of a file safe."""
        self._step("fdatasync")
        with self._lock:
            self._sim(self._file(fd)).sync()

    def fullsync(self, fd: int) -> None:
        """As `fdatasync`."""
        self.fdatasync(fd)

    def fsync_dir(self, directory: StrPath) -> None:
        """Make the names in a folder safe."""
        self._step("fsync_dir")
        with self._lock:
            folder = os.fspath(directory)
            theirs = [c for c in self._name_changes if folder_of(c[0]) == folder]
            self._name_changes = [c for c in self._name_changes if folder_of(c[0]) != folder]
            for change in theirs:
                _apply(self._synced_names, change)

    def boot_id(self) -> bytes:
        """Another one after each power cut."""
        return self._boot

    def _make(self, name: str, mode: int) -> MemoryFile:
        made = _SimFile(next(self._numbers), mode)
        self._name_changes.append((name, None, made))
        return made

    def _sim(self, file: MemoryFile) -> _SimFile:
        assert isinstance(file, _SimFile)
        return file

    def _step(self, call: str, *, changes: bool = True) -> None:
        with self._lock:
            self.calls[call] += 1
            if self._last_change is not None and self.changes >= self._last_change:
                raise OSError(errno.EIO, "the simulated process is dead")
            self.changes += changes
            faults = self._faults.get(call)
            if faults:
                code = faults.pop(0)
                raise OSError(code, os.strerror(code))

    def _after(self, pick: Pick | None) -> SimFs:
        with self._lock:
            other = SimFs(room=self.room, most=self.most)
            other._numbers = itertools.count(next(self._numbers) + 1)
            names = dict(self._synced_names)
            if pick is None:
                other._boot = self._boot
                names = dict(self._names)
            else:
                for change in self._name_changes:
                    if pick(2):
                        _apply(names, change)
            copies: dict[int, _SimFile] = {}

            def copy(file: MemoryFile) -> _SimFile:
                if file.number not in copies:
                    copies[file.number] = self._sim(file).after(pick)
                return copies[file.number]

            other._names = {path: copy(file) for path, file in names.items()}
            if pick is None:
                other._synced_names = {p: copy(file) for p, file in self._synced_names.items()}
                other._name_changes = [
                    (path, old, None if file is None else copy(file))
                    for path, old, file in self._name_changes
                ]
            else:
                other._synced_names = dict(other._names)
            return other


def _apply(names: dict[str, MemoryFile], change: _NameChange) -> None:
    name, old, file = change
    if old is not None:
        names.pop(old, None)
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file
