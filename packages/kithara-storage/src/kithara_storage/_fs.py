"""The one seam to system calls, and the one place that knows what a platform lacks."""

from __future__ import annotations

import contextlib
import errno
import os
import stat as stat_bits
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

try:
    import fcntl
except ImportError:
    _LOCKS = False  # Windows: every writer takes a private file, nothing is shared
else:
    _LOCKS = True

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrPath

LockOutcome: TypeAlias = Literal["held", "busy", "unsupported"]

_OPEN_FLAGS = (
    getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a planted FIFO must not block us
    | getattr(os, "O_BINARY", 0)
)
_BUSY = frozenset({errno.EWOULDBLOCK, errno.EAGAIN})
_MAX_BUFFERS = 1024  # IOV_MAX of Linux and macOS
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def plain(path: StrPath) -> str:
    """One spelling for a path, so that files in memory and parts are told apart by it."""
    text = os.fspath(path)
    return text if os.path.normpath(text) == text else os.fspath(Path(text))


def folder_of(path: StrPath) -> str:
    """The folder that a path leads into."""
    return os.path.dirname(path) or os.curdir


class FsOps:
    """The system calls that resources are made of.

    Each method is one call (interrupted ones are repeated by Python) and raises `OSError`;
    `read_all` and `write_all` add the loops for short ones. A subclass may refuse, count or lose
    any of them, or override `locate` to resolve paths in a way of its own. Paths come as text or as
    `Path`. Thread-safe.
    """

    def __init__(self) -> None:
        self._positioned = hasattr(os, "preadv") and hasattr(os, "pwritev")
        self._seek_lock = threading.Lock()

    @contextlib.contextmanager
    def locate(self, path: StrPath) -> Iterator[tuple[int | None, str]]:
        """Resolve a path to `(dir_fd, name)` for the calls below; `(None, path)` here."""
        yield None, os.fspath(path)

    def open(self, path: StrPath, flags: int, mode: int = 0o600) -> int:
        """Open a file, never through a symbolic link at its last name, closed on exec."""
        with self.locate(path) as (dir_fd, name):
            return os.open(name, flags | _OPEN_FLAGS, mode, dir_fd=dir_fd)

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        os.close(fd)

    def fstat(self, fd: int) -> os.stat_result:
        """Facts about an open file."""
        return os.fstat(fd)

    def stat(self, path: StrPath) -> os.stat_result | None:
        """Facts about a name, symbolic links not followed; None if there is nothing."""
        try:
            with self.locate(path) as (dir_fd, name):
                return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def names(self, directory: StrPath) -> list[str]:
        """List the names in a directory."""
        with self.locate(directory) as (dir_fd, name):
            if dir_fd is None:
                return os.listdir(name)
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | _OPEN_FLAGS, dir_fd=dir_fd)
        try:
            return os.listdir(fd)
        finally:
            os.close(fd)

    def unlink(self, path: StrPath) -> None:
        """Remove a name; a missing one is no error."""
        with contextlib.suppress(FileNotFoundError), self.locate(path) as (dir_fd, name):
            os.unlink(name, dir_fd=dir_fd)

    def rename(self, source: StrPath, target: StrPath) -> None:
        """Rename atomically, over the target if it exists. Both in one directory."""
        with self.locate(source) as (dir_fd, old):
            new = os.path.basename(target) if dir_fd is not None else os.fspath(target)
            os.replace(old, new, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)

    def preadv(self, fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        """Read at an offset into writable buffers; how many bytes, 0 at the end of the file."""
        if self._positioned:
            return os.preadv(fd, buffers, offset)
        with self._seek_lock:
            os.lseek(fd, offset, os.SEEK_SET)
            data = os.read(fd, len(buffers[0]))
        buffers[0][: len(data)] = data
        return len(data)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """Read at an offset into new memory, not filled with zeros first; empty at the end."""
        if self._positioned:
            return os.pread(fd, size, offset)
        buffer = bytearray(size)
        return bytes(buffer[: self.preadv(fd, (memoryview(buffer),), offset)])

    def try_preadv(self, fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        """Read at an offset what is in memory; 0 if the disk would have to be waited for."""
        if not _NOWAIT:
            return self.preadv(fd, buffers, offset)
        try:
            return os.preadv(fd, buffers, offset, _NOWAIT)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            return self.preadv(fd, buffers, offset)  # a file system that lives in memory

    def pwritev(self, fd: int, buffers: Sequence[ReadableBuffer], offset: int) -> int:
        """Write at an offset; how many bytes, which may be fewer than asked."""
        if self._positioned:
            return os.pwritev(fd, buffers, offset)
        with self._seek_lock:
            os.lseek(fd, offset, os.SEEK_SET)
            return os.write(fd, buffers[0])

    def ftruncate(self, fd: int, length: int) -> None:
        """Set the size of a file in bytes."""
        os.ftruncate(fd, length)

    def fdatasync(self, fd: int) -> None:
        """Wait until the bytes and the size of a file are on the disk."""
        getattr(os, "fdatasync", os.fsync)(fd)

    def fullsync(self, fd: int) -> None:
        """Wait until a file is on the disk, the device's own cache included if it can be told."""
        if _LOCKS and hasattr(fcntl, "F_FULLFSYNC"):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fsync(fd)

    def fsync_dir(self, directory: StrPath) -> None:
        """Wait until the names in a directory are on the disk; nothing where that is unknown."""
        if not hasattr(os, "O_DIRECTORY"):
            return
        fd = self.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def flock(self, fd: int) -> LockOutcome:
        """Try to take the exclusive lock of a file; it goes with the descriptor's last copy."""
        if not _LOCKS:
            return "unsupported"
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return "busy" if error.errno in _BUSY else "unsupported"
        return "held"

    def boot_id(self) -> bytes:
        """16 bytes that change when the system starts anew; empty where nobody tells."""
        try:
            with open(_BOOT_ID, encoding="ascii") as file:
                return uuid.UUID(file.read().strip()).bytes
        except (OSError, ValueError):
            return b""

    def read_all(self, fd: int, view: memoryview, offset: int) -> int:
        """Fill `view` from `offset`; how many bytes, fewer only where the file ends."""
        done = 0
        while done < len(view):
            count = self.preadv(fd, (view[done:],), offset + done)
            if count == 0:
                break
            done += count
        return done

    def write_all(self, fd: int, buffers: Sequence[memoryview], offset: int) -> None:
        """Write non-empty buffers one after the other from `offset`, all of them or `OSError`."""
        pending = list(buffers)
        first = 0
        while first < len(pending):
            count = self.pwritev(fd, pending[first : first + _MAX_BUFFERS], offset)
            if count == 0:
                raise OSError(errno.EIO, "the system wrote nothing")
            offset += count
            while first < len(pending) and count >= len(pending[first]):
                count -= len(pending[first])
                first += 1
            if count:
                pending[first] = pending[first][count:]

    def is_file(self, facts: os.stat_result | None) -> bool:
        """Whether the facts are those of a plain file."""
        return facts is not None and stat_bits.S_ISREG(facts.st_mode)
