"""Files that are on this machine already."""

import os
import threading
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from kithara_assets import CancelToken
from kithara_stream import Cancelled, TransferStats, WaitOutcome

from ._errors import Unreadable
from ._place import Place


def local_path(url: str) -> Path | None:
    """The path that a `file:` URL, or a string that is no URL, means; None for other URLs."""
    try:
        parts = urlsplit(url)
    except ValueError:  # it says so when it is opened
        return None
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(url2pathname(parts.path))
    # One letter is a drive of Windows.
    return Path(url) if len(parts.scheme) < 2 and not url.startswith("//") else None


class LocalFile:
    """The bytes of a local file, as long as they were when it was opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._file = path.open("rb", buffering=0)
            self.length = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise self._refused(error) from error

    def wait_range(
        self,
        start: int,
        stop: int,
        timeout: float | None = None,
        token: CancelToken | None = None,
    ) -> WaitOutcome:
        """Answer at once."""
        if token is not None and token.error is not None:
            raise token.error
        return "ready" if start < self.length or start == stop else "eof"

    def available(self, start: int) -> int:
        """Count the bytes from `start` on."""
        return max(0, self.length - start)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Read; raises `Unreadable` if the file became shorter, or the system refuses."""
        buffer = buffer[: self.available(offset)]
        with self._lock:
            if self._file.closed:
                raise Cancelled("the session")
            try:
                self._file.seek(offset)
                count = self._file.readinto(buffer) if buffer else 0
            except OSError as error:
                raise self._refused(error) from error
        if buffer and not count:
            raise Unreadable(url=os.fspath(self._path), reason="it became shorter meanwhile")
        return count or 0

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._lock:
            self._file.close()

    def _refused(self, error: OSError) -> Unreadable:
        return Unreadable(url=os.fspath(self._path), reason=error.strerror or "it cannot be read")


class LocalSupply:
    """A `Supply` that has everything already."""

    def __init__(self, path: Path) -> None:
        self.resource = LocalFile(path)
        self.stats = TransferStats(bytes_cached=self.resource.length)
        self.busy = False
        self.media_type: str | None = None
        self.outcome: Exception | None = None

    def place(self) -> Place:
        """A place that nobody needs to know."""
        return Place(lambda: None, lambda _: None)

    def pause(self) -> None:
        """Nothing is read ahead."""

    def resume(self) -> None:
        """Nothing is read ahead."""

    async def beginning(self, size: int) -> bytes:
        """The first bytes."""
        head = bytearray(size)
        with memoryview(head) as view:
            count = self.resource.read_into(0, view)
        return bytes(head[:count])

    async def ended(self) -> Exception | None:
        """It is complete."""
        return None

    async def wait_complete(self) -> None:
        """It is complete."""

    async def aclose(self) -> None:
        """Close the file."""
        self.resource.close()
