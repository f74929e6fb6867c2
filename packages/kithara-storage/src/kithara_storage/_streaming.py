"""A resource that is read while it is written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from . import _reading as reading
from ._body import Body, Observer
from ._check import check
from ._errors import DiskFull, NotWritable, from_os_error
from ._filler import Commit, Filler, Write
from ._follower import Follower
from ._fs import FsOps, folder_of, plain
from ._generation import begun_anew
from ._leftovers import sweep_leftovers
from ._models import Durability, Identity, ResourceStatus, WaitOutcome
from ._part import Part, Role, open_part
from ._waiters import CancelToken, TaskWaiter, wake_all
from ._waiting import raise_or_return, wait_in_task, wait_in_thread
from ._writer import DiskWriter

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class StreamingResource:
    """One file that many readers read while one writer fills it, in any order.

    Made by `open`. Bytes are addressed by half-open ranges; a byte that was published never
    changes. Reading and waiting work from any thread, also while another thread closes; writing
    is for tasks. A context manager; leaving it closes.
    """

    __slots__ = ("_body", "_filler", "_writer")

    def __init__(self, part: Part, writer: DiskWriter) -> None:
        self._writer = writer
        self._body = Body(part)
        self._filler = Filler(self._body, writer)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        writer: DiskWriter,
        *,
        durability: Durability = Durability.DATA,
        resume: bool = False,
        fs: FsOps | None = None,
    ) -> StreamingResource:
        """Open the resource at `path`; COMPLETE if the file is there, else PARTIAL.

        Without `resume` a PARTIAL one is empty, and nothing of it is kept if it is closed
        uncommitted. Several may open one path so, in one process or in many: each gets its own
        bytes, and the first commit gives the path its content.

        With `resume` the path has one generation of bytes, which is kept when it is closed or its
        process dies. Who opens it first leads: what an earlier run left can be read at once, and
        `identity` says which version that is, but writing waits for `confirm` or `restart`.
        Everybody else follows (`following`): reads and waits as the bytes arrive, and takes over
        when the leader is gone (`lead`).

        Touches names, sizes and the journal, no data; only the first open after the system started
        anew reads what no barrier vouches for (some 16 MiB). The folder must exist. An empty file
        counts as missing. Raises `StorageFailed` or `DiskFull`.
        """
        final = plain(path)
        fs = FsOps() if fs is None else fs
        try:
            folder = folder_of(final)
            if writer._first_visit(folder):
                sweep_leftovers(fs, folder)
            part = open_part(fs, final, durability, resume=resume)
        except OSError as error:
            raise from_os_error(error, path=Path(final), operation="open") from error
        resource = cls(part, writer)
        if part.role is Role.FOLLOW:
            writer.call_at(time.monotonic(), Follower(resource._body).look)
        return resource

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

    @property
    def identity(self) -> Identity | None:
        """Which version its bytes are, as it was confirmed; None if nobody said."""
        return self._body.part.identity

    @property
    def following(self) -> bool:
        """Whether another handle or process writes it now."""
        return self._body.following

    @property
    def confirmed(self) -> bool:
        """Whether it may be written; see `confirm` and `restart`."""
        return self._body.confirmed and not self._body.following

    async def lead(self) -> bool:
        """Wait until this handle may write: at once, unless it follows another.

        True then; what there is still waits for `confirm` or `restart`. False if there is
        nothing to write: it is complete. Raises `GenerationReplaced` if the other gave its bytes
        up, `ResourceClosed`, or what else ended it.
        """
        body = self._body
        waiter = body.admit_lead()
        if waiter is not None:
            await waiter.wait()
        with body.lock:
            body.check_open("lead")
            if body.failure is not None:
                raise body.failure
            return body.status is ResourceStatus.PARTIAL

    def confirm(self, identity: Identity | None = None) -> None:
        """Go on with the bytes that are there: the origin proved that they are this version.

        `identity` replaces the facts that were known (a host may give another ETag to the same
        bytes); it is written with the next bytes. Raises `NotWritable` while another writes.
        """
        body = self._body
        with body.lock:
            body.check_open("confirm")
            if body.following:
                raise NotWritable(path=self.path, operation="confirm", reason="followed")
            if identity is not None and not body.confirmed:
                body.part.identity = dict(identity)
            body.confirmed = True

    def restart(self, identity: Identity | None = None) -> None:
        """Begin a new generation with no bytes, which are those of `identity`.

        What was there is gone; waits for it raise `GenerationReplaced`, here and in handles that
        follow. So hand the resource to readers after this. Raises `NotWritable` if it is complete
        or another writes it, `ResourceClosed`, `StorageFailed` or `DiskFull`.
        """
        body = self._body
        with body.lock:
            body.check_open("restart")
            if body.following:
                raise NotWritable(path=self.path, operation="restart", reason="followed")
            if body.status is ResourceStatus.COMPLETE:
                raise NotWritable(path=self.path, operation="restart", reason="complete")
            blank = not body.confirmed and body.part.found is None
            if blank:
                body.part.identity = None if identity is None else dict(identity)
                body.confirmed = True
        if not blank:
            old = self._filler
            self._body, self._filler = begun_anew(body, self._writer, identity)
            old.close()

    def spill(self, told: Callable[[DiskFull], None]) -> None:
        """Go on in memory when the disk is full, instead of failing.

        What finds no room then stays in memory until the resource is closed, as readable as the
        rest; `commit` makes it complete for this handle only, and what is on the disk is kept for
        next time. `told` hears it once, from a thread of the writer, and must not block.
        """
        self._body.on_full = told

    @property
    def spilled(self) -> bool:
        """Whether the disk was full and some of the bytes are in memory only."""
        return self._body.spill is not None

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

        Waits only while the writer is full. Bytes that are there already are compared: if `data`
        differs, the resource fails with `ContentMismatch` and none of `data` is stored; a complete
        one ignores it. Raises the failure after `fail` or a disk error, `ResourceClosed` after
        close, `LengthMismatch` past the known length, `NotWritable`, `WriterClosed`.
        """
        if offset < 0:
            raise ValueError("an offset is not negative")
        data = bytes(data)  # no copy if it is bytes; anything else might still change
        body = self._body
        if not body.admit_write(offset, offset + len(data)):
            return
        write = Write(self._filler, offset, data)
        if not self._writer._try_put(write):
            await self._writer._put(write)

    async def flush(self) -> None:
        """Wait until everything accepted so far is published to readers.

        Raises the failure if there is one, `ResourceClosed` after close.
        """
        body = self._body
        if not body.all_stored:
            raise_or_return(await self._writer._submit(self._filler, _nothing_more).wait())
        with body.lock:
            body.check_open("flush")
            failure = body.failure
        if failure is not None:
            raise failure

    async def barrier(self) -> None:
        """Wait until everything accepted so far also survives a power cut.

        That happens by itself every 16 MiB or 5 seconds, and when no bytes come. Does nothing for
        a resource without `resume`, or with `Durability.NONE`. Raises the failure if there is
        one, `ResourceClosed` after close.
        """
        filler = self._filler
        raise_or_return(await self._writer._submit(filler, filler.barrier).wait())
        with filler.body.lock:
            filler.body.check_open("barrier")

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
            if body.failure is None:
                body.check_writable("commit")
        filler, syncer = self._filler, self._writer.syncer

        def hand_over(waiter: TaskWaiter) -> None:
            if body.check_commit(length) is None:
                filler.begin()  # it may be empty, or was found whole: nothing began it
            syncer.submit(Commit(filler, length, waiter))

        raise_or_return(await self._writer._submit(filler, hand_over).wait())

    def fail(self, error: Exception) -> None:
        """Say that no more bytes will come; waits for missing ones raise `error`, that object.

        From any thread. What was accepted before is still published, and stays readable. Only
        the first failure counts; a complete or closed resource does not fail.
        """
        if self._body.fail(error):
            self._writer._abandon(self._filler, error)

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
        return wait_in_thread(self._body, start, stop, timeout, token)

    async def wait_range_async(
        self,
        start: int,
        stop: int,
        timeout: float | None = None,
        token: CancelToken | None = None,
    ) -> WaitOutcome:
        """As `wait_range`, for a task; uses no thread."""
        return await wait_in_task(self._body, start, stop, timeout, token)

    def read_into(self, offset: int, buffer: WriteableBuffer) -> int:
        """Fill `buffer` with what is there from `offset` on; how many bytes. No copy between.

        Never waits: 0 if nothing is there (yet, or past the end). Works in every status but
        CLOSED (`ResourceClosed`). Raises `StorageFailed` if the file cannot be read or was cut
        short by somebody else.
        """
        with memoryview(buffer) as view, view.cast("B") as flat:
            return reading.read(self._body, offset, flat)

    def check(self) -> bool | None:
        """Read a complete file again and compare it with the checksums of its record. Blocks.

        True: every byte is what was written. False: some are not; remove the file. None: no record
        tells, as for a file that was written without `resume`, or the resource is not complete.
        Raises `StorageFailed` if it cannot be read, `ResourceClosed` after close.
        """
        return check(self._body)

    def try_read(self, offset: int, buffer: WriteableBuffer) -> int:
        """As `read_into`, for an audio callback: takes no lock and waits for no disk.

        Fewer bytes than are there, or 0, where getting them would mean to wait.
        """
        with memoryview(buffer) as view, view.cast("B") as flat:
            return reading.try_read(self._body, offset, flat)

    def read_at(self, offset: int, size: int) -> bytes:
        """What is there from `offset` on, at most `size` bytes; as `read_into` otherwise."""
        if size < 0:
            raise ValueError("a size is not negative")
        return reading.read_new(self._body, offset, size)

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

    def observe(self, observer: Observer) -> None:
        """Call `observer(start, stop)` for every range that is there, and each that comes later.

        Each byte is told once, right after it was published, in the writer thread, so an observer
        must be quick and may not raise (one that does is told nothing more). Until `unobserve`,
        `restart` or `close`.
        """
        body = self._body

        def begin(_: float) -> None:
            body.observe(observer)

        self._writer.call_at(0.0, begin)

    def unobserve(self, observer: Observer) -> None:
        """Tell an observer nothing more; it may be in a last call just now."""
        self._body.unobserve(observer)

    def close(self) -> None:
        """End the resource: waits raise `ResourceClosed`; idempotent, from any thread.

        Waits for nothing. Reads and a commit that are under way in other threads end as if they
        had come first. Uncommitted bytes are removed; with `resume` they are kept, those that
        were accepted before included.
        """
        body, filler = self._body, self._filler
        if body.close():
            self._writer._abandon(filler)
            filler.close()


def _nothing_more(waiter: TaskWaiter) -> None:
    if waiter.settle("ready"):
        wake_all((waiter,))
