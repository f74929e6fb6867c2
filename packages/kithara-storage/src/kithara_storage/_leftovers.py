"""Files under construction that a process left behind when it died."""

from __future__ import annotations

import contextlib
import os

from ._fs import FsOps
from ._journal import MAP, META, PART


def sweep_leftovers(fs: FsOps, directory: str, prefix: str = "") -> None:
    """Remove the parts that nobody holds the lock of and that no journal belongs to.

    Best effort: what cannot be removed stays for the next sweep.
    """
    try:
        names = set(fs.names(directory))
    except OSError:
        return
    for name in names:
        if not name.startswith(prefix) or not name.endswith(PART):
            continue
        stem = name.removesuffix(PART)
        if not names.isdisjoint({stem + MAP, stem + META}) and stem not in names:
            continue  # it can be gone on with
        leftover = os.path.join(directory, name)
        with contextlib.suppress(OSError):
            fd = fs.open(leftover, os.O_RDWR)
            try:
                if fs.flock(fd) == "held" and leads_to(fs, leftover, fd):
                    fs.unlink(os.path.join(directory, stem + MAP))
                    fs.unlink(leftover)
            finally:
                fs.close(fd)


def leads_to(fs: FsOps, path: str, fd: int) -> bool:
    """Whether a name leads to an open file."""
    named = fs.stat(path)
    opened = fs.fstat(fd)
    return named is not None and (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)
