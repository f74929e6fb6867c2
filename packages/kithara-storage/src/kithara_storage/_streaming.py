"""A resource that is read while it is written."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from ._body import Body
from ._errors import ResourceClosed, from_os_error
from ._fs import FsOps
from ._models import Durability, ResourceStatus, WaitOutcome
from ._part import discard, open_final, open_part, sweep_leftovers
from ._waiters import Answer, CancelToken, TaskWaiter, ThreadWaiter, Waiter
from ._writer import DiskWriter

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_W = TypeVar("_W", bound=Waiter)


class StreamingResource:
    """One file that many readers read while one writer fills it, in any order.

    Made by `open`. Bytes are addressed by half-open ranges; a byte that was published never
    changes. Reading and waiting work from any thread, also while another thread closes; writing
    is for tasks. A context manager; leaving it closes.
    """

    def __init__(self, body: Body, writer: DiskWriter) -> None:
        self._body = body
        self._writer = writer

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

        Touches names and sizes only, no data. The folder must exist. Several may open one path,
        in one process or in many: each gets its own bytes, and the first commit gives the path
        its content. An empty file counts as missing. Raises `StorageFailed` or `DiskFull`.
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
                    discard(fs, file)
                    file = done
        except OSError as error:
            raise from_os_error(error, path=final, operation="open") from error
        return cls(Body(final, file, durability, fs), writer)

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
        return f"<StreamingResource {self.path.name} {self.status.value}>"

    @property
    def path(self) -> Path:
        """Where the resource lives once it is complete."""
        return self._body.path

    @property
    def status(self) -> ResourceStatus:
        """Where it stands now."""
        return self._body.status

    @property
    def length(self) -> int | None:
        """Bytes in the whole resource; None while unknown."""
        return self._body.length

    def set_length(self, total: int) -> None:
        """State the length in bytes, once it is known; waits past the end answer `"eof"`.

        Saying the same again is allowed. Raises `LengthMismatch` if it contradicts what is known
        or what was written already, `ResourceClosed` after close.
        """
        if total < 0:
            raise ValueError("a length is not negative")
        self._body.set_length(total)

    async def write_at(self, offset: int, data: bytes) -> None:
        """Hand `data` to the writer thread; returns when it is accepted, before it is published.

        Waits only while the writer is full. Bytes that are there already are skipped, whatever
        `data` says about them. Raises the failure after `fail` or a disk error,
        `ResourceClosed` after close, `LengthMismatch` past the known length, `WriterClosed`.
        """
        if offset < 0:
            raise ValueError("an offset is not negative")
        data = bytes(data)  # no copy if it is bytes; anything else might still change
        body = self._body
        if not body.admit_write(offset, offset + len(data)):
            return
        if not self._writer._try_put(body, offset, data):
            await self._writer._put(body, offset, data)

    async def flush(self) -> None:
        """Wait until everything accepted so far is published to readers.

        Raises the failure if there is one, `ResourceClosed` after close.
        """
        body = self._body
        if not body.all_stored:
            _raise_or_return(await self._writer._submit(body, _nothing_more).wait())
        with body.lock:
            body.check_open("flush")
            failure = body.failure
        if failure is not None:
            raise failure

    async def commit(self, length: int) -> None:
        """Make the resource complete, `length` bytes long, under its final name.

        Does nothing if it is complete already. Raises `ResourceIncomplete` if bytes are missing
        (it may be called again), `LengthMismatch`, the failure if there is one, and `DiskFull` or
        `StorageFailed` if the disk refuses, which fails the resource for good. If another writer
        was first, its file stays. Cancelled, it may still happen.
        """
        if length < 0:
            raise ValueError("a length is not negative")
        body = self._body
        with body.lock:
            body.check_length(length, "commit")
            if body.status is ResourceStatus.COMPLETE:
                return
        _raise_or_return(await self._writer._submit(body, lambda: body.commit(length)).wait())

    def fail(self, error: Exception) -> None:
        """Say that no more bytes will come; waits for missing ones raise `error`, that object.

        From any thread. What was accepted before is still published, and stays readable. Only
        the first failure counts; a complete or closed resource does not fail.
        """
        if self._body.fail(error):
            self._writer._abandon(self._body, error)

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
            return _raise_or_return(found.wait(timeout))
        finally:
            self._withdraw(found, token)

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
            return _raise_or_return(await found.wait(timeout))
        finally:
            self._withdraw(found, token)

    def read_into(self, offset: int, buffer: WriteableBuffer) -> int:
        """Fill `buffer` with what is there from `offset` on; how many bytes. No copy between.

        Never waits: 0 if nothing is there (yet, or past the end). Works in every status but
        CLOSED (`ResourceClosed`). Raises `StorageFailed` if the file cannot be read or was cut
        short by somebody else.
        """
        with memoryview(buffer) as view, view.cast("B") as flat:
            return self._body.read(offset, flat)

    def read_at(self, offset: int, size: int) -> bytes:
        """What is there from `offset` on, at most `size` bytes; as `read_into` otherwise."""
        if size < 0:
            raise ValueError("a size is not negative")
        buffer = bytearray(min(size, self.available(offset)))
        done = self.read_into(offset, buffer)
        return bytes(memoryview(buffer)[:done])

    def available(self, start: int) -> int:
        """How many bytes from `start` on can be read without a gap."""
        body = self._body
        with body.lock:
            body.check_open("available")
            return body.ranges.available(start)

    def next_hole(self, start: int, stop: int) -> tuple[int, int] | None:
        """Return the first missing range of `[start, stop)`, or None; none past the length.

        Bytes that are accepted and not yet published are missing here: `flush` first.
        """
        body = self._body
        with body.lock:
            body.check_open("next_hole")
            if body.length is not None:
                stop = min(stop, max(start, body.length))
            return body.ranges.next_hole(start, stop)

    def close(self) -> None:
        """End the resource: waits raise `ResourceClosed`, an uncommitted file is removed.

        From any thread; idempotent; waits for nothing. Reads and a commit that are under way in
        other threads end as if they had come first.
        """
        if self._body.close():
            self._writer._abandon(self._body, ResourceClosed(path=self.path, operation="write_at"))

    def _admit(
        self, start: int, stop: int, token: CancelToken | None, kind: type[_W]
    ) -> WaitOutcome | _W:
        if start < 0 or stop < start:
            raise ValueError(f"[{start}, {stop}) is not a range of bytes")
        if token is not None and token.error is not None:
            raise token.error
        found = self._body.admit_wait(start, stop, kind)
        if token is not None and isinstance(found, Waiter):
            token._attach(found)
        return found

    def _withdraw(self, waiter: Waiter, token: CancelToken | None) -> None:
        self._body.withdraw(waiter)
        if token is not None:
            token._detach(waiter)


def _nothing_more() -> Answer:
    return "ready"


def _raise_or_return(answer: Answer) -> WaitOutcome:
    if isinstance(answer, Exception):
        raise answer
    return answer
