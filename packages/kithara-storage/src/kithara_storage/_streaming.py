"""A resource that is read while it is written."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from kithara_storage._errors import (
    LengthMismatch,
    ResourceClosed,
    ResourceIncomplete,
    StorageFailed,
    from_os_error,
)
from kithara_storage._fs import FsOps
from kithara_storage._models import Durability, ResourceStatus, WaitOutcome
from kithara_storage._part import OpenFile, open_final, open_part, sweep_leftovers
from kithara_storage._ranges import RangeSet
from kithara_storage._waiters import (
    Answer,
    CancelToken,
    TaskWaiter,
    ThreadWaiter,
    Waiter,
    wake_all,
)
from kithara_storage._writer import DiskWriter

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_W = TypeVar("_W", bound=Waiter)


class StreamingResource:
    """One file that many readers read while one writer fills it, in any order.

    Made by `open`. Bytes are addressed by half-open ranges; a byte that was published never
    changes. Reading and waiting work from any thread, also while another thread closes; writing
    is for tasks. A context manager; leaving it closes.
    """

    def __init__(
        self, path: Path, writer: DiskWriter, file: OpenFile, durability: Durability, fs: FsOps
    ) -> None:
        self._path = path
        self._writer = writer
        self._durability = durability
        self._fs = fs
        self._lock = threading.Lock()
        self._fd = file.fd
        self._part = file.part
        self._users = 0  # whoever uses the descriptor now; the last one out closes it
        self._ranges = RangeSet()
        self._waiters: dict[Waiter, None] = {}
        self._failure: Exception | None = None
        self._broken = False  # the disk failed us: nothing more is stored
        self._accepted = 0  # writes; changed only under the writer's lock
        self._stored = 0  # writes; changed only by the writer thread
        self._accepted_stop = 0
        self._length: int | None = None
        self._status = ResourceStatus.PARTIAL
        if file.part is None:
            self._status = ResourceStatus.COMPLETE
            self._length = file.size
            self._ranges.add(0, file.size)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        writer: DiskWriter,
        *,
        durability: Durability = Durability.DATA,
        fs: FsOps | None = None,
    ) -> StreamingResource:
        """Open the resource at `path`; COMPLETE if the file is there, else PARTIAL and empty.

        Does not block on data. The folder must exist. Several may open one path, in one process
        or in many: each gets its own bytes, and the first commit gives the path its content.
        An empty file counts as missing. Raises `StorageFailed` or `DiskFull`.
        """
        final = Path(path)
        fs = FsOps() if fs is None else fs
        try:
            if writer._first_visit(final.parent):
                sweep_leftovers(fs, final.parent)
            file = open_final(fs, final)
            if file is None:
                file = open_part(fs, final)
                done = open_final(fs, final)
                if done is not None:  # somebody committed between the two looks
                    _discard(fs, file)
                    file = done
        except OSError as error:
            raise from_os_error(error, path=final, operation="open") from error
        return cls(final, writer, file, durability, fs)

    def __enter__(self) -> StreamingResource:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<StreamingResource {self._path.name} {self._status.value}>"

    @property
    def path(self) -> Path:
        """Where the resource lives once it is complete."""
        return self._path

    @property
    def status(self) -> ResourceStatus:
        """Where it stands now."""
        return self._status

    @property
    def length(self) -> int | None:
        """Bytes in the whole resource; None while unknown."""
        return self._length

    def set_length(self, total: int) -> None:
        """State the length in bytes, once it is known; waits past the end answer `"eof"`.

        Saying the same again is allowed. Raises `LengthMismatch` if it contradicts what is known
        or what was written already, `ResourceClosed` after close.
        """
        if total < 0:
            raise ValueError("a length is not negative")
        with self._lock:
            self._check_length(total, "set_length")
            self._length = total
            settled = self._settle()
        wake_all(settled)

    async def write_at(self, offset: int, data: bytes) -> None:
        """Hand `data` to the writer thread; returns when it is accepted, before it is published.

        Waits only while the writer is full. Bytes that are there already are skipped, whatever
        `data` says about them. Raises the failure after `fail` or a disk error,
        `ResourceClosed` after close, `LengthMismatch` past the known length, `WriterClosed`.
        """
        if offset < 0:
            raise ValueError("an offset is not negative")
        data = bytes(data)  # no copy if it is bytes; anything else might still change
        stop = offset + len(data)
        with self._lock:
            self._check_open("write_at")
            if self._length is not None and stop > self._length:
                raise LengthMismatch(
                    path=self._path, operation="write_at", expected=self._length, found=stop
                )
            if self._ranges.contains(offset, stop):
                return
            if self._failure is not None:
                raise self._failure
            self._accepted_stop = max(self._accepted_stop, stop)
        if not self._writer._try_put(self, offset, data):
            await self._writer._put(self, offset, data)

    async def flush(self) -> None:
        """Wait until everything accepted so far is published to readers.

        Raises the failure if there is one, `ResourceClosed` after close.
        """
        if self._accepted != self._stored:
            answer = await self._writer._submit(self, self._flushed).wait()
            if isinstance(answer, Exception):
                raise answer
        with self._lock:
            self._check_open("flush")
            if self._failure is not None:
                raise self._failure

    async def commit(self, length: int) -> None:
        """Make the resource complete, `length` bytes long, under its final name.

        Does nothing if it is complete already. Raises `ResourceIncomplete` if bytes are missing
        (it may be called again), `LengthMismatch`, the failure if there is one, and `DiskFull` or
        `StorageFailed` if the disk refuses, which fails the resource. If another writer was
        first, its file stays. Cancelled, it may still happen.
        """
        with self._lock:
            if self._status is not ResourceStatus.COMPLETE or self._length != length:
                self._check_length(length, "commit")
            if self._failure is not None:
                raise self._failure
        answer = await self._writer._submit(self, lambda: self._commit(length)).wait()
        if isinstance(answer, Exception):
            raise answer

    def fail(self, error: Exception) -> None:
        """Say that no more bytes will come; waits for missing ones raise `error`, that object.

        From any thread. What was accepted before is still published, and stays readable. Only
        the first failure counts; a complete or closed resource does not fail.
        """
        with self._lock:
            if self._status is not ResourceStatus.PARTIAL:
                return
            self._status = ResourceStatus.FAILED
            self._failure = error
            settled = self._settle()
        wake_all(settled)
        self._writer._abandon(self, error)

    def wait_range(
        self,
        start: int,
        stop: int,
        timeout: float | None = None,
        token: CancelToken | None = None,
    ) -> WaitOutcome:
        """Block this thread until every byte of `[start, stop)` below the length is there.

        `"ready"` then (at once for an empty range); `"eof"` if the length is known and `start`
        is at or past it. Raises the failure if bytes are missing and will not come, the error of
        `token`, `ResourceClosed`, or `TimeoutError` after `timeout` seconds.
        """
        found = self._admit(start, stop, token, ThreadWaiter)
        if not isinstance(found, Waiter):
            return found
        try:
            answer = found.wait(timeout)
        finally:
            self._withdraw(found, token)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def wait_range_async(
        self,
        start: int,
        stop: int,
        timeout: float | None = None,
        token: CancelToken | None = None,
    ) -> WaitOutcome:
        """As `wait_range`, for a task; uses no thread."""
        found = self._admit(start, stop, token, TaskWaiter)
        if not isinstance(found, Waiter):
            return found
        try:
            answer = await found.wait(timeout)
        finally:
            self._withdraw(found, token)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def read_into(self, offset: int, buffer: WriteableBuffer) -> int:
        """Fill `buffer` with what is there from `offset` on; how many bytes.

        Never waits: 0 if nothing is there (yet, or past the end). Works in every status but
        CLOSED (`ResourceClosed`). Raises `StorageFailed` if the file cannot be read or was cut
        short by somebody else.
        """
        view = memoryview(buffer).cast("B")
        with self._lock:
            self._check_open("read_into")
            count = min(self._ranges.available(offset), len(view))
            if count == 0:
                return 0
            self._users += 1
            fd = self._fd
        try:
            done = self._fs.read_all(fd, view[:count], offset)
        except OSError as error:
            raise from_os_error(error, path=self._path, operation="read") from error
        finally:
            self._leave()
        if done < count:
            raise StorageFailed(
                f"{self._path.name}: bytes {offset + done}-{offset + count - 1} are gone; "
                "something else changed the file, remove it and fetch it again",
                path=self._path,
                operation="read",
            )
        return done

    def read_at(self, offset: int, size: int) -> bytes:
        """What is there from `offset` on, at most `size` bytes; as `read_into` otherwise."""
        buffer = bytearray(min(size, self.available(offset)))
        done = self.read_into(offset, buffer)
        return bytes(memoryview(buffer)[:done])

    def available(self, start: int) -> int:
        """How many bytes from `start` on can be read without a gap."""
        with self._lock:
            self._check_open("available")
            return self._ranges.available(start)

    def next_hole(self, start: int, stop: int) -> tuple[int, int] | None:
        """Return the first missing range of `[start, stop)`, or None; none past the length."""
        with self._lock:
            self._check_open("next_hole")
            if self._length is not None:
                stop = max(start, min(stop, self._length))
            return self._ranges.next_hole(start, stop)

    def close(self) -> None:
        """End the resource: waits raise `ResourceClosed`, an uncommitted file is removed.

        From any thread; idempotent; does not block on the disk. Reads and a commit that are
        under way in other threads finish first.
        """
        with self._lock:
            if self._status is ResourceStatus.CLOSED:
                return
            self._status = ResourceStatus.CLOSED
            settled = self._settle()
            last = self._users == 0
        wake_all(settled)
        self._writer._abandon(self, ResourceClosed(path=self._path, operation="write_at"))
        if last:
            _discard(self._fs, OpenFile(fd=self._fd, size=0, part=self._part))

    def accepted(self) -> None:
        """For the writer only."""
        self._accepted += 1

    def store(self, writes: list[tuple[int, bytes]]) -> None:
        """For the writer only."""
        fresh = RangeSet()
        failure: Exception | None = None
        if self._enter():
            try:
                for offset, views in self._runs(writes):
                    self._fs.write_all(self._fd, views, offset)
                    fresh.add(offset, offset + sum(map(len, views)))
            except OSError as error:
                failure = from_os_error(error, path=self._path, operation="write")
                failure.__cause__ = error
            finally:
                self._leave()
        with self._lock:
            for start, stop in fresh:
                self._ranges.add(start, stop)
            self._stored += len(writes)
            if failure is not None:
                self._break(failure)
            settled = self._settle()
        wake_all(settled)

    def lose(self, error: BaseException) -> None:
        """For the writer only."""
        failure = StorageFailed(
            f"{self._path.name}: the disk writer died; see its own error",
            path=self._path,
            operation="write",
        )
        failure.__cause__ = error
        with self._lock:
            self._stored = self._accepted
            self._break(failure)
            settled = self._settle()
        wake_all(settled)

    def _runs(self, writes: list[tuple[int, bytes]]) -> list[tuple[int, list[memoryview]]]:
        """Cut writes down to the bytes that are not there, joined to runs. Writer thread."""
        taken = RangeSet()
        runs: list[tuple[int, list[memoryview]]] = []
        end = -1
        for offset, data in writes:
            view = memoryview(data)
            for hole in self._ranges.holes(offset, offset + len(data)):
                for start, stop in list(taken.holes(*hole)):
                    if start != end:
                        runs.append((start, []))
                    runs[-1][1].append(view[start - offset : stop - offset])
                    taken.add(start, stop)
                    end = stop
        return runs

    def _flushed(self) -> Answer:
        return "ready"

    def _commit(self, length: int) -> Answer:
        """Check, sync and rename. Writer thread."""
        with self._lock:
            if self._status is ResourceStatus.COMPLETE:
                return "ready"
            if self._status is ResourceStatus.CLOSED:
                return ResourceClosed(path=self._path, operation="commit")
            if self._failure is not None:
                return self._failure
            hole = self._ranges.next_hole(0, length)
            if hole is not None:
                return ResourceIncomplete(path=self._path, length=length, hole=hole)
            self._length = length
            self._users += 1
        failure: Exception | None = None
        try:
            self._publish(length)
        except OSError as error:
            failure = from_os_error(error, path=self._path, operation="commit")
            failure.__cause__ = error
        finally:
            with self._lock:
                if failure is not None:
                    self._break(failure)
                elif self._status is ResourceStatus.PARTIAL:
                    self._status = ResourceStatus.COMPLETE
                settled = self._settle()
            wake_all(settled)
            self._leave()
        return failure or "ready"

    def _publish(self, length: int) -> None:
        fs, part = self._fs, self._part
        assert part is not None
        there = fs.stat(self._path)
        if there is not None and fs.is_file(there) and there.st_size > 0:
            fs.unlink(part)  # another writer was first; ours serves the readers we have
            self._part = None
            return
        fs.ftruncate(self._fd, length)
        if self._durability is Durability.FULL:
            fs.fullsync(self._fd)
        elif self._durability is Durability.DATA:
            fs.fdatasync(self._fd)
        fs.rename(part, self._path)
        self._part = None
        if self._durability is not Durability.NONE:
            fs.fsync_dir(self._path.parent)

    def _admit(
        self, start: int, stop: int, token: CancelToken | None, kind: type[_W]
    ) -> WaitOutcome | _W:
        """Answer a wait at once, or put somebody in the list."""
        if start < 0 or stop < start:
            raise ValueError(f"[{start}, {stop}) is not a range of bytes")
        if token is not None and token.error is not None:
            raise token.error
        with self._lock:
            answer = self._answer(start, stop)
            if answer is None:
                waiter = kind(start, stop)
                self._waiters[waiter] = None
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        if token is not None:
            token._attach(waiter)
        return waiter

    def _withdraw(self, waiter: Waiter, token: CancelToken | None) -> None:
        with self._lock:
            self._waiters.pop(waiter, None)
        if token is not None:
            token._detach(waiter)

    def _answer(self, start: int, stop: int) -> Answer | None:
        """What a wait is answered now; None if it must wait. Under the lock."""
        if self._status is ResourceStatus.CLOSED:
            return ResourceClosed(path=self._path, operation="wait_range")
        if start == stop:
            return "ready"
        if self._length is not None:
            if start >= self._length:
                return "eof"
            stop = min(stop, self._length)
        if self._ranges.contains(start, stop):
            return "ready"
        if self._failure is not None and self._stored == self._accepted:
            return self._failure
        return None

    def _settle(self) -> list[Waiter]:
        """Answer every wait that can be answered now; wake the result. Under the lock."""
        settled = []
        for waiter in list(self._waiters):
            answer = self._answer(waiter.start, waiter.stop)
            if answer is not None:
                del self._waiters[waiter]
                if waiter.settle(answer):
                    settled.append(waiter)
        return settled

    def _break(self, failure: Exception) -> None:
        """Stop storing after the disk failed. Under the lock."""
        self._broken = True
        if self._status is ResourceStatus.PARTIAL:
            self._status = ResourceStatus.FAILED
            self._failure = failure

    def _check_open(self, operation: str) -> None:
        if self._status is ResourceStatus.CLOSED:
            raise ResourceClosed(path=self._path, operation=operation)

    def _check_length(self, total: int, operation: str) -> None:
        self._check_open(operation)
        known = self._length
        expected = self._accepted_stop if known is None else known
        if total != known and (known is not None or total < self._accepted_stop):
            raise LengthMismatch(
                path=self._path, operation=operation, expected=expected, found=total
            )

    def _enter(self) -> bool:
        """Take the descriptor into use for storing; False if nothing is stored any more."""
        with self._lock:
            if self._broken or self._status is ResourceStatus.CLOSED:
                return False
            self._users += 1
            return True

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._users == 0 and self._status is ResourceStatus.CLOSED
        if last:
            _discard(self._fs, OpenFile(fd=self._fd, size=0, part=self._part))


def _discard(fs: FsOps, file: OpenFile) -> None:
    """Close a file and remove it if it is not final; its lock is held until it is gone."""
    if file.part is not None:
        with contextlib.suppress(OSError):  # the next sweep of leftovers removes it
            fs.unlink(file.part)
    fs.close(file.fd)
