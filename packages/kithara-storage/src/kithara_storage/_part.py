"""Files under construction: one lock for one writer, private ones for everybody else.

`<final>.part` belongs to whoever holds its exclusive lock. A name that somebody unlinks is
unlinked under that lock, so whoever locks a file must check that the name still leads to it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from ._fs import FsOps

SUFFIX = ".part"


@dataclass(slots=True, kw_only=True)
class OpenFile:
    """An open file; `part` is its name while it is under construction, None once it is final."""

    fd: int
    size: int
    part: Path | None


def open_final(fs: FsOps, final: Path) -> OpenFile | None:
    """Open a complete file for reading; None if there is none (an empty one counts as none)."""
    try:
        fd = fs.open(final, os.O_RDONLY)
    except FileNotFoundError:
        return None
    facts = fs.fstat(fd)
    if not fs.is_file(facts):
        fs.close(fd)
        raise OSError(errno.EEXIST, "not a plain file")
    if facts.st_size == 0:
        fs.close(fd)
        return None
    return OpenFile(fd=fd, size=facts.st_size, part=None)


def open_part(fs: FsOps, final: Path) -> OpenFile:
    """Open an empty file to write `final` in: the shared one if its lock is free, else our own."""
    shared = final.with_name(final.name + SUFFIX)
    while True:
        fd = fs.open(shared, os.O_RDWR | os.O_CREAT)
        try:
            lock = fs.flock(fd)
            if lock == "held" and _leads_to(fs, shared, fd):
                fs.ftruncate(fd, 0)  # what a dead writer left: no record says which bytes count
                return OpenFile(fd=fd, size=0, part=shared)
        except OSError:
            fs.close(fd)
            raise
        fs.close(fd)
        if lock != "held":
            return open_private(fs, final)


def open_private(fs: FsOps, final: Path, mode: int = 0o600) -> OpenFile:
    """Open an empty file that nobody else writes, `<final>.<random>.part`."""
    while True:
        private = final.with_name(f"{final.name}.{secrets.token_hex(8)}{SUFFIX}")
        fd = fs.open(private, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        lock = fs.flock(fd)
        if lock == "unsupported" or (lock == "held" and _leads_to(fs, private, fd)):
            return OpenFile(fd=fd, size=0, part=private)
        fs.close(fd)  # a sweep of leftovers was quicker: it removes this one


def discard(fs: FsOps, file: OpenFile) -> None:
    """Close a file and remove it if it is not final; its lock is held until it is gone."""
    if file.part is not None:
        with contextlib.suppress(OSError):  # the next sweep of leftovers removes it
            fs.unlink(file.part)
    fs.close(file.fd)


def sweep_leftovers(fs: FsOps, directory: Path, prefix: str = "") -> None:
    """Remove the files under construction that nobody holds the lock of.

    Best effort: what cannot be removed stays for the next sweep.
    """
    try:
        names = fs.names(directory)
    except OSError:
        return
    for name in names:
        if not name.startswith(prefix) or not name.endswith(SUFFIX):
            continue
        leftover = directory / name
        with contextlib.suppress(OSError):
            fd = fs.open(leftover, os.O_RDWR)
            try:
                if fs.flock(fd) == "held" and _leads_to(fs, leftover, fd):
                    fs.unlink(leftover)
            finally:
                fs.close(fd)


def _leads_to(fs: FsOps, path: Path, fd: int) -> bool:
    named = fs.stat(path)
    opened = fs.fstat(fd)
    return named is not None and (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)
