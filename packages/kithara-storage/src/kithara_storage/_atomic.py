"""A small resource that is read and written as a whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from aiofiles.os import wrap

from ._errors import DiskFull, ResourceClosed, ResourceMissing, from_os_error
from ._fs import FsOps, folder_of
from ._leftovers import sweep_leftovers
from ._part import open_temporary


class AtomicResource:
    """One file that is replaced whole: readers see the old content or the new, never a mixture.

    For playlists, keys and records. Each operation is one trip to a thread of `executor`, by
    default the loop's own; give another where that may be full of threads that wait for bytes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        mode: int = 0o600,
        fs: FsOps | None = None,
        executor: Executor | None = None,
    ) -> None:
        self._path = Path(path)
        self._mode = mode
        self._fs = FsOps() if fs is None else fs
        self._executor = executor
        self._on_full: Callable[[DiskFull], None] | None = None

    def __repr__(self) -> str:
        return f"<AtomicResource {self._path.name}>"

    @property
    def path(self) -> Path:
        """Where the content lives."""
        return self._path

    def exists(self) -> bool:
        """Whether there is content now. Raises `StorageFailed` if that cannot be told."""
        try:
            return self._fs.is_file(self._fs.stat(self._path))
        except OSError as error:
            raise from_os_error(error, path=self._path, operation="look") from error

    def spill(self, told: Callable[[DiskFull], None]) -> None:
        """Let a `write` that finds the disk full be dropped, instead of failing.

        The old content stays then, if there is any. `told` hears it each time, on the loop.
        """
        self._on_full = told

    async def read(self) -> bytes:
        """Return the content.

        Raises `ResourceMissing` if there is none, `StorageFailed`, `ResourceClosed` if the
        executor was shut down.
        """
        try:
            return await wrap(self._read)(executor=self._executor)
        except RuntimeError as error:
            raise ResourceClosed(path=self._path, operation="read") from error
        except FileNotFoundError as error:
            raise ResourceMissing(path=self._path) from error
        except OSError as error:
            raise from_os_error(error, path=self._path, operation="read") from error

    async def write(self, data: bytes) -> None:
        """Replace the content; on the disk, under its name, when this returns.

        Of two writes at once, the one that ends last stays. Cancelled, it happens wholly or not
        at all. Raises `DiskFull` or `StorageFailed`: then the old content is still there, or
        (if only the folder could not be synced) the new one, which may not survive a power cut.
        Raises `ResourceClosed` if the executor was shut down.
        """
        try:
            await wrap(self._write)(bytes(data), executor=self._executor)
        except RuntimeError as error:
            raise ResourceClosed(path=self._path, operation="write") from error
        except OSError as error:
            failure = from_os_error(error, path=self._path, operation="write")
            if self._on_full is None or not isinstance(failure, DiskFull):
                raise failure from error
            self._on_full(failure)

    def _read(self) -> bytes:
        fd = self._fs.open(self._path, os.O_RDONLY)
        try:
            buffer = bytearray(self._fs.fstat(fd).st_size)
            done = self._fs.read_all(fd, memoryview(buffer), 0)
        finally:
            self._fs.close(fd)
        return bytes(memoryview(buffer)[:done])

    def _write(self, data: bytes) -> None:
        final = os.fspath(self._path)
        sweep_leftovers(self._fs, folder_of(final), f"{self._path.name}.")
        fd, name = open_temporary(self._fs, final, self._mode)
        try:
            if data:
                self._fs.write_all(fd, (memoryview(data),), 0)
            self._fs.fdatasync(fd)
            self._fs.rename(name, final)
        except BaseException:
            with contextlib.suppress(OSError):
                self._fs.unlink(name)
            raise
        finally:
            self._fs.close(fd)
        self._fs.fsync_dir(folder_of(final))
