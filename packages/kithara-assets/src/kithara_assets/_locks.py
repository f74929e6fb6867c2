"""Advisory locks on open files, and the one place that knows where there are none."""

from __future__ import annotations

import os
from pathlib import Path

try:
    import fcntl
except ImportError:
    _LOCKS = False  # Windows: nothing is shared with other processes
else:
    _LOCKS = True

_NETWORK = ("9p", "afs", "ceph", "cifs", "fuse.", "glusterfs", "lustre", "nfs", "smb")
_MOUNTS = Path("/proc/self/mountinfo")


def lock_shared(fd: int) -> bool:
    """Wait for a shared lock; False where the system has none. It goes with the descriptor."""
    if not _LOCKS:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
    except OSError:
        return False
    return True


def lock_exclusive(fd: int, *, wait: bool = False) -> bool:
    """Take the exclusive lock; False if somebody has a lock, or where the system has none."""
    if not _LOCKS:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def locks_hold(folder: Path) -> bool:
    """Whether a lock on this folder keeps every other process out, on every machine."""
    if not _LOCKS or is_network_mount(folder, _MOUNTS):
        return False
    first = second = -1
    try:
        first, second = (os.open(folder, os.O_RDONLY) for _ in range(2))
        return lock_shared(first) and not lock_exclusive(second)
    except OSError:
        return False
    finally:
        for fd in (first, second):
            if fd >= 0:
                os.close(fd)


def is_network_mount(folder: Path, mounts: Path) -> bool:
    """Whether the file system of a folder is one that other machines may mount too."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False  # a system that does not tell: the locks are believed
    best, kind = -1, ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 7 or "-" not in fields[6:]:
            continue
        place = Path(fields[4].replace("\\040", " "))
        if folder.is_relative_to(place) and len(place.parts) >= best:
            best, kind = len(place.parts), fields[fields.index("-", 6) + 1]
    return kind.startswith(_NETWORK)
