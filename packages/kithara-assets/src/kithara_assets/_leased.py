"""File operations that keep an asset leased for as long as a file of it is open."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from ._leases import Held, LeaseTable
from ._rooted import RootedFs, step


class LeasedFs(RootedFs):
    """File operations below one root, each in the leased folder of its asset.

    A file is opened in the very folder that is locked, never in one that took its name.
    """

    def __init__(self, root: Path, leases: LeaseTable) -> None:
        super().__init__(root)
        self._leases = leases
        self._users: dict[int, tuple[str, Held]] = {}

    @contextlib.contextmanager
    def locate(self, path: Path) -> Iterator[tuple[int | None, str]]:
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

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        """Open a file and lease its asset until it is closed."""
        parts = self.parts(path)
        if len(parts) < 2 or parts[0].startswith("_"):
            return super().open(path, flags, mode)
        asset_root = parts[0]
        held = self._leases.acquire(asset_root, make=bool(flags & os.O_CREAT))
        if held is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        try:
            fd = super().open(path, flags, mode)
        except BaseException:
            self._leases.release(asset_root, held)
            raise
        self._users[fd] = asset_root, held
        return fd

    def make_folders(self, folder: Path) -> None:
        """Make a folder and those above it; an asset whose folder vanished gets a new one."""
        asset_root = self.parts(folder)[0]
        self._leases.renew(asset_root)
        super().make_folders(folder)

    def fsync_dir(self, directory: Path) -> None:
        """Wait for the names in a folder, and once for those that lead to it."""
        asset_root = next(iter(self.parts(directory)), "")
        if asset_root in self._leases.made:
            self._leases.made.discard(asset_root)
            self._made(self._root / asset_root)
        super().fsync_dir(directory)

    def close(self, fd: int) -> None:
        """Close a descriptor; its lease goes with it."""
        user = self._users.pop(fd, None)
        super().close(fd)
        if user is not None:
            self._leases.release(*user)
