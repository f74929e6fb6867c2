"""What can go wrong with a resource on disk, by what a caller can do about it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Literal

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class StorageError(Exception):
    """Base of every error of this package.

    `path` is the resource it is about (None where there is none), `operation` what was being
    done, `recoverable` whether trying again later can work.
    """

    recoverable: bool = False

    def __init__(
        self, message: str, *, path: Path | None = None, operation: str | None = None
    ) -> None:
        super().__init__(message)
        self.path = path
        self.operation = operation


class StorageFailed(StorageError):
    """Raised when the system refused an operation on a resource; `errno` says why."""

    def __init__(
        self, message: str, *, path: Path | None, operation: str, errno: int | None = None
    ) -> None:
        super().__init__(message, path=path, operation=operation)
        self.errno = errno


class DiskFull(StorageFailed):
    """Raised when the disk or the quota has no room left for a resource.

    `kept` is how many of its bytes are published and stay readable.
    """

    recoverable = True
    kept: int = 0


class ResourceClosed(StorageError):
    """Raised when a resource is used after, or waited for across, its close."""

    def __init__(self, *, path: Path, operation: str) -> None:
        super().__init__(
            f"{path.name}: {operation} on a closed resource; open it again",
            path=path,
            operation=operation,
        )


class ResourceMissing(StorageError):
    """Raised when an atomic resource is read that was never written."""

    def __init__(self, *, path: Path) -> None:
        super().__init__(f"{path.name} does not exist; write it first", path=path, operation="read")


class ResourceIncomplete(StorageError):
    """Raised when a resource is committed while `hole`, a range of bytes, is still missing."""

    recoverable = True

    def __init__(self, *, path: Path, length: int, hole: tuple[int, int]) -> None:
        super().__init__(
            f"{path.name}: bytes {hole[0]}-{hole[1] - 1} of {length} are missing; "
            "fetch them, then commit again",
            path=path,
            operation="commit",
        )
        self.length = length
        self.hole = hole


class ContentMismatch(StorageError):
    """Raised when bytes are written again and differ from those that are there.

    `offset` is where the first difference lies. The generation is given up: nobody can say which
    of the two is right.
    """

    def __init__(self, *, path: Path, offset: int) -> None:
        super().__init__(
            f"{path.name}: byte {offset} was written before with another value; "
            "the origin changed, fetch it all again",
            path=path,
            operation="write_at",
        )
        self.offset = offset


class NotWritable(StorageError):
    """Raised when bytes are handed to a resource that may not be written just now.

    `reason` is "followed" (another handle or process writes it; wait with `lead`), "unconfirmed"
    (say first with `confirm` or `restart` which version it is) or "complete".
    """

    recoverable = True

    def __init__(
        self,
        *,
        path: Path,
        operation: str,
        reason: Literal["followed", "unconfirmed", "complete"],
    ) -> None:
        advice = {
            "followed": "another writer fills it; wait with lead()",
            "complete": "it is complete; remove its file to fetch it again",
            "unconfirmed": "its version is not confirmed; call confirm() or restart() first",
        }
        super().__init__(
            f"{path.name}: {operation} is refused: {advice[reason]}",
            path=path,
            operation=operation,
        )
        self.reason = reason


class GenerationReplaced(StorageError):
    """Raised when the bytes of a resource were given up for those of another version."""

    recoverable = True

    def __init__(self, *, path: Path) -> None:
        super().__init__(
            f"{path.name} begins anew with another version; open it again",
            path=path,
            operation="wait_range",
        )


class LengthMismatch(StorageError):
    """Raised when two statements about the length of a resource contradict each other.

    `expected` is what is known already, `found` what was said or implied now, both in bytes.
    """

    def __init__(self, *, path: Path, operation: str, expected: int, found: int) -> None:
        super().__init__(
            f"{path.name}: {operation} says {found} bytes where {expected} were expected; "
            "treat it as another version of the resource",
            path=path,
            operation=operation,
        )
        self.expected = expected
        self.found = found


class WriterClosed(StorageError):
    """Raised when bytes are handed to a disk writer that is not running."""

    def __init__(self) -> None:
        super().__init__(
            "the disk writer is not running; use it inside its `with` block", operation="write"
        )


def from_os_error(error: OSError, *, path: Path, operation: str) -> StorageFailed:
    """Translate a system error once, at the boundary; raise the result `from error`."""
    reason = os.strerror(error.errno) if error.errno is not None else type(error).__name__
    if error.errno in _FULL:
        return DiskFull(
            f"{path.name}: no room to {operation} ({reason}); free some space, then try again",
            path=path,
            operation=operation,
            errno=error.errno,
        )
    return StorageFailed(
        f"{path.name}: {operation} failed ({reason}); check the disk and its permissions",
        path=path,
        operation=operation,
        errno=error.errno,
    )
