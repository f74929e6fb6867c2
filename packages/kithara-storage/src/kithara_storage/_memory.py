"""Files in memory behind the seam to the system: the same contract with no disk."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat as stat_bits
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ._fs import FsOps, LockOutcome, folder_of

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrPath

_PAGE = 64 * 1024


class MemoryFile:
    """The bytes of one file; pages that were never written take no memory."""

    def __init__(self, number: int, mode: int) -> None:
        self.number = number
        self.mode = mode
        self.size = 0
        self.holder: int | None = None  # the descriptor that has the lock
        self.pages: dict[int, bytearray] = {}

    def read_into(self, view: memoryview, offset: int) -> int:
        """Copy out; how many bytes."""
        count = max(0, min(len(view), self.size - offset))
        for at, place, size in _spans(offset, count):
            page = self.pages.get(at)
            begin = at * _PAGE + place - offset
            piece = bytes(size) if page is None else memoryview(page)[place : place + size]
            view[begin : begin + size] = piece
        return count

    def write(self, data: memoryview, offset: int) -> None:
        """Copy in."""
        for at, place, size in _spans(offset, len(data)):
            page = self.pages.get(at)
            if page is None:
                page = self.pages[at] = bytearray(_PAGE)
            begin = at * _PAGE + place - offset
            page[place : place + size] = data[begin : begin + size]
        self.size = max(self.size, offset + len(data))

    def resize(self, size: int) -> None:
        """Cut, or extend with zeros."""
        if size < self.size:
            for at in [at for at in self.pages if at * _PAGE >= size]:
                del self.pages[at]
            page = self.pages.get(size // _PAGE)
            if page is not None:
                page[size % _PAGE :] = bytes(_PAGE - size % _PAGE)
        self.size = size


def _spans(offset: int, count: int) -> Iterator[tuple[int, int, int]]:
    while count > 0:
        at, place = divmod(offset, _PAGE)
        size = min(_PAGE - place, count)
        yield at, place, size
        offset += size
        count -= size


class MemoryFs(FsOps):
    """A file system in memory, for resources that are to touch no disk.

    Give it as `fs`; everything else holds as on a disk, but for what a process takes with it when
    it ends. Every folder exists. A file lives until it is unlinked and no longer open. Thread-safe.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._names: dict[str, MemoryFile] = {}
        self._open: dict[int, MemoryFile] = {}

    def open(self, path: StrPath, flags: int, mode: int = 0o600) -> int:
        """Open or make a file."""
        with self._lock:
            name = os.fspath(path)
            file = self._names.get(name)
            if file is None:
                if not flags & os.O_CREAT:
                    raise _error(errno.ENOENT)
                file = self._names[name] = self._make(name, mode)
            elif flags & os.O_EXCL:
                raise _error(errno.EEXIST)
            fd = next(self._numbers)
            self._open[fd] = file
            return fd

    def close(self, fd: int) -> None:
        """Close a descriptor; its lock goes with it."""
        with self._lock:
            file = self._open.pop(fd)
            if file.holder == fd:
                file.holder = None

    def fstat(self, fd: int) -> os.stat_result:
        """Facts about an open file."""
        with self._lock:
            return _facts(self._file(fd))

    def stat(self, path: StrPath) -> os.stat_result | None:
        """Facts about a name; None if there is nothing."""
        with self._lock:
            file = self._names.get(os.fspath(path))
            return None if file is None else _facts(file)

    def names(self, directory: StrPath) -> list[str]:
        """List the names in a directory."""
        with self._lock:
            folder = os.fspath(directory)
            return [os.path.basename(name) for name in self._names if folder_of(name) == folder]

    def unlink(self, path: StrPath) -> None:
        """Remove a name; a missing one is no error."""
        with self._lock, contextlib.suppress(KeyError):
            del self._names[os.fspath(path)]

    def rename(self, source: StrPath, target: StrPath) -> None:
        """Rename atomically, over the target if it exists."""
        with self._lock:
            old = os.fspath(source)
            if old not in self._names:
                raise _error(errno.ENOENT)
            self._names[os.fspath(target)] = self._names.pop(old)

    def preadv(self, fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        """Read at an offset."""
        with self._lock:
            return self._file(fd).read_into(buffers[0], offset)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """Read at an offset into new memory."""
        buffer = bytearray(size)
        return bytes(buffer[: self.preadv(fd, (memoryview(buffer),), offset)])

    def try_preadv(self, fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        """Read at an offset; 0 if another thread is inside just now."""
        if not self._lock.acquire(blocking=False):
            return 0
        try:
            return self._file(fd).read_into(buffers[0], offset)
        finally:
            self._lock.release()

    def pwritev(self, fd: int, buffers: Sequence[ReadableBuffer], offset: int) -> int:
        """Write at an offset."""
        done = 0
        with self._lock:
            file = self._file(fd)
            for buffer in buffers:
                view = memoryview(buffer).cast("B")
                file.write(view, offset + done)
                done += len(view)
        return done

    def ftruncate(self, fd: int, length: int) -> None:
        """Set the size of a file."""
        with self._lock:
            self._file(fd).resize(length)

    def fdatasync(self, fd: int) -> None:
        """Nothing to wait for."""

    def fullsync(self, fd: int) -> None:
        """Nothing to wait for."""

    def fsync_dir(self, directory: StrPath) -> None:
        """Nothing to wait for."""

    def flock(self, fd: int) -> LockOutcome:
        """Try to take the exclusive lock of a file."""
        with self._lock:
            file = self._file(fd)
            if file.holder not in {None, fd}:
                return "busy"
            file.holder = fd
            return "held"

    def boot_id(self) -> bytes:
        """One life of this file system."""
        return b"memory".ljust(16, b"\0")

    def _make(self, name: str, mode: int) -> MemoryFile:
        return MemoryFile(next(self._numbers), mode)

    def _file(self, fd: int) -> MemoryFile:
        try:
            return self._open[fd]
        except KeyError:
            raise _error(errno.EBADF) from None


def _facts(file: MemoryFile) -> os.stat_result:
    mode = stat_bits.S_IFREG | file.mode
    return os.stat_result((mode, file.number, 1, 1, 0, 0, file.size, 0, 0, 0))


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))  # OSError makes the right subclass of itself
