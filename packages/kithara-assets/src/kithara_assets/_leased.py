"""File operations that keep an asset leased for as long as a file of it is open."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ._leases import Held, LeaseTable
from ._rooted import FILE_FLAGS, RootedFs, step

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrPath


_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


class Growth(Protocol):
    """Who wants to know how much is written."""

    def grew(self, asset_root: str, held: Held, count: int) -> None:
        """`count` bytes were written into an asset."""
        ...

    def make_room(self, count: int) -> None:
        """The disk is full: free at least `count` bytes, as far as that can be."""
        ...


class LeasedFs(RootedFs):
    """File operations below one root, each in the leased folder of its asset.

    A file is opened in the very folder that is locked, never in one that took its name. What is
    written is told to `growth`, and what meets a full disk is tried once more, whether this made
    room or another had just made it.
    """

    def __init__(self, root: Path, leases: LeaseTable, growth: Growth) -> None:
        super().__init__(root)
        self._leases = leases
        self._growth = growth
        self._users: dict[int, tuple[str, Held]] = {}

    @contextlib.contextmanager
    def locate(self, path: StrPath) -> Iterator[tuple[int | None, str]]:
        """Walk to the folder of `path`, from the folder of its asset if that is leased."""
        parts = self.parts(path)
        held = self._leases.borrow(parts[0]) if len(parts) > 1 else None
        if held is None:
            with super().locate(path) as found:
                yield found
            return
        try:
            if held.fd < 0:
                with super().locate(path) as found:
                    yield found
            elif len(parts) == 2:
                yield held.fd, parts[1]
            else:
                fd = step(held.fd, parts[1])
                try:
                    for part in parts[2:-1]:
                        below = step(fd, part)
                        os.close(fd)
                        fd = below
                    yield fd, parts[-1]
                finally:
                    os.close(fd)
        finally:
            self._leases.release(parts[0], held)

    def open(self, path: StrPath, flags: int, mode: int = 0o600) -> int:
        """Open a file and lease its asset until it is closed."""
        parts = self.parts(path)
        if len(parts) < 2 or parts[0].startswith("_"):
            return super().open(path, flags, mode)
        try:
            return self._open(parts, path, flags, mode)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self._growth.make_room(0)
            return self._open(parts, path, flags, mode)

    def _open(self, parts: list[str], path: StrPath, flags: int, mode: int) -> int:
        asset_root = parts[0]
        held = self._leases.acquire(asset_root, make=bool(flags & os.O_CREAT))
        if held is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        try:
            if len(parts) == 2 and held.fd >= 0 and not flags & os.O_CREAT:
                fd = os.open(parts[1], flags | FILE_FLAGS, dir_fd=held.fd)  # most of all opens
            else:
                fd = super().open(path, flags, mode)
        except BaseException:
            self._leases.release(asset_root, held)
            raise
        self._users[fd] = asset_root, held
        return fd

    def stat(self, path: StrPath) -> os.stat_result | None:
        """Facts about a name, symbolic links not followed; None if there is nothing."""
        parts = self.parts(path)
        held = self._leases.borrow(parts[0]) if len(parts) == 2 else None
        if held is None:
            return super().stat(path)
        try:
            if held.fd < 0:
                return super().stat(path)
            return os.stat(parts[1], dir_fd=held.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None
        finally:
            self._leases.release(parts[0], held)

    def make_folders(self, folder: StrPath) -> None:
        """Make a folder and those above it; an asset whose folder vanished gets a new one."""
        asset_root = self.parts(folder)[0]
        self._leases.renew(asset_root)
        super().make_folders(folder)

    def fsync_dir(self, directory: StrPath) -> None:
        """Wait for the names in a folder, and once for those that lead to it."""
        asset_root = next(iter(self.parts(directory)), "")
        if asset_root in self._leases.made:
            self._leases.made.discard(asset_root)
            self._made(os.path.join(self._root, asset_root))
        super().fsync_dir(directory)

    def pwritev(self, fd: int, buffers: Sequence[ReadableBuffer], offset: int) -> int:
        """Write at an offset; how many bytes, which may be fewer than asked."""
        user = self._users.get(fd)
        try:
            count = super().pwritev(fd, buffers, offset)
        except OSError as error:
            if error.errno not in _FULL or user is None:
                raise
            self._growth.make_room(sum(len(memoryview(buffer)) for buffer in buffers))
            count = super().pwritev(fd, buffers, offset)
        if user is not None:
            self._growth.grew(*user, count)
        return count

    def close(self, fd: int) -> None:
        """Close a descriptor; its lease goes with it."""
        user = self._users.pop(fd, None)
        super().close(fd)
        if user is not None:
            self._leases.release(*user)
