"""System calls that cannot leave the root: every folder on the way is opened, none followed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kithara_storage import FsOps

if TYPE_CHECKING:
    from _typeshed import StrPath

FOLDER_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
FILE_FLAGS = (
    getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a planted FIFO must not block us
    | getattr(os, "O_BINARY", 0)
)
"""How a file is opened, besides what the caller wants with it."""


class RootedFs(FsOps):
    """File operations below one root.

    Paths are walked folder by folder without following symbolic links (`OSError` with `ELOOP`);
    folders come into being, 0700, with the first file that is made in them.
    """

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = os.fspath(root)
        self._prefix = self._root.rstrip(os.sep) + os.sep
        self.by_descriptor = os.open in os.supports_dir_fd
        """Whether calls take an open folder; where not, links are looked for before each."""
        self._anchored = {self._root}
        self._anchor_lock = threading.Lock()

    def parts(self, path: StrPath) -> list[str]:
        """Split a path into its names below the root; none for the root itself."""
        text = os.fspath(path)
        if text.startswith(self._prefix):
            return text[len(self._prefix) :].split(os.sep)
        if text != self._root:
            raise ValueError(f"{text} does not lie below the root")
        return []

    @contextlib.contextmanager
    def locate(self, path: StrPath) -> Iterator[tuple[int | None, str]]:
        """Walk to the folder of `path`; `(its descriptor, last name)`."""
        parts = self.parts(path)
        if not self.by_descriptor:
            self._refuse_links(parts[:-1])
            yield None, os.fspath(path)
            return
        fd = os.open(self._root, FOLDER_FLAGS & ~getattr(os, "O_NOFOLLOW", 0))
        try:
            for part in parts[:-1]:
                below = step(fd, part)
                os.close(fd)
                fd = below
            yield fd, parts[-1] if parts else "."
        finally:
            os.close(fd)

    def open(self, path: StrPath, flags: int, mode: int = 0o600) -> int:
        """Open a file; makes its folders if the file may be made too."""
        try:
            return super().open(path, flags, mode)
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
        self.make_folders(os.path.dirname(path))
        return super().open(path, flags, mode)

    def make_folders(self, folder: StrPath) -> None:
        """Make a folder and those above it, up to the root; existing ones are fine."""
        at = self._root
        for part in self.parts(folder):
            at = os.path.join(at, part)
            with contextlib.suppress(FileExistsError), self.locate(at) as (dir_fd, name):
                os.mkdir(name, 0o700, dir_fd=dir_fd)
                self._made(at)

    def fsync_dir(self, directory: StrPath) -> None:
        """Wait for the names in a folder, the first time for those that lead to it too."""
        at = os.fspath(directory)
        self._sync_folder(at)
        with self._anchor_lock:
            while at not in self._anchored:
                above = os.path.dirname(at)
                self._sync_folder(above)
                self._anchored.add(at)
                at = above

    def _made(self, folder: str) -> None:
        """A folder is new: its name is not on the disk yet, whatever stood there before."""
        with self._anchor_lock:
            self._anchored.discard(folder)

    def _sync_folder(self, folder: str) -> None:
        if not hasattr(os, "O_DIRECTORY"):
            return
        fd = self.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            self.close(fd)

    def _refuse_links(self, parts: list[str]) -> None:
        at = self._root
        for part in parts:
            at = os.path.join(at, part)
            if os.path.islink(at):
                raise as_link_error()


def step(fd: int, part: str) -> int:
    """Open the folder `part` in an open one; a link is refused."""
    try:
        return os.open(part, FOLDER_FLAGS, dir_fd=fd)
    except NotADirectoryError as error:
        facts = os.stat(part, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISLNK(facts.st_mode):
            raise as_link_error() from error
        raise


def as_link_error() -> OSError:
    """What it means that a link is in the way."""
    return OSError(errno.ELOOP, os.strerror(errno.ELOOP))
