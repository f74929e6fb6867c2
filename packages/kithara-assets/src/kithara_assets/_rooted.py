"""System calls that cannot leave the root: every folder on the way is opened, none followed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from kithara_storage import FsOps

_FOLDER_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)


class RootedFs(FsOps):
    """File operations below one root.

    Paths are walked folder by folder without following symbolic links (`OSError` with `ELOOP`);
    folders come into being, 0700, with the first file that is made in them.
    """

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root
        self._by_descriptor = os.open in os.supports_dir_fd
        self._anchored: set[Path] = {root}
        self._anchor_lock = threading.Lock()

    @contextlib.contextmanager
    def locate(self, path: Path) -> Iterator[tuple[int | None, str]]:
        """Walk to the folder of `path`; `(its descriptor, last name)`."""
        parts = path.relative_to(self._root).parts
        if not self._by_descriptor:
            self._refuse_links(parts[:-1])
            yield None, os.fspath(path)
            return
        fd = os.open(self._root, _FOLDER_FLAGS & ~getattr(os, "O_NOFOLLOW", 0))
        try:
            for part in parts[:-1]:
                fd = _step(fd, part)
            yield fd, parts[-1] if parts else "."
        finally:
            os.close(fd)

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        """Open a file; makes its folders if the file may be made too."""
        try:
            return super().open(path, flags, mode)
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
        self.make_folders(path.parent)
        return super().open(path, flags, mode)

    def make_folders(self, folder: Path) -> None:
        """Make a folder and those above it, up to the root; existing ones are fine."""
        at = self._root
        for part in folder.relative_to(self._root).parts:
            at /= part
            with contextlib.suppress(FileExistsError), self.locate(at) as (dir_fd, name):
                os.mkdir(name, 0o700, dir_fd=dir_fd)

    def fsync_dir(self, directory: Path) -> None:
        """Wait for the names in a folder, the first time for those that lead to it too."""
        super().fsync_dir(directory)
        with self._anchor_lock:
            while directory not in self._anchored:
                super().fsync_dir(directory.parent)
                self._anchored.add(directory)
                directory = directory.parent

    def _refuse_links(self, parts: tuple[str, ...]) -> None:
        at = self._root
        for part in parts:
            at /= part
            if at.is_symlink():
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _step(fd: int, part: str) -> int:
    """Go one folder down; closes `fd` if that works."""
    try:
        below = os.open(part, _FOLDER_FLAGS, dir_fd=fd)
    except NotADirectoryError as error:
        facts = os.stat(part, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISLNK(facts.st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error
        raise
    os.close(fd)
    return below
