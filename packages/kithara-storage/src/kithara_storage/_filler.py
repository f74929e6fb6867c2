"""What the writer and the syncer do for one resource: store, compare, make safe, commit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ._body import Body
from ._crc import crc32
from ._errors import (
    ContentMismatch,
    LengthMismatch,
    ResourceClosed,
    StorageError,
    StorageFailed,
    from_os_error,
)
from ._fs import folder_of
from ._models import Durability
from ._part import Role
from ._ranges import RangeSet
from ._reading import copy
from ._records import Extent
from ._waiters import Answer, TaskWaiter, Waiter, wake_all

if TYPE_CHECKING:
    from ._writer import DiskWriter

MIB = 1024 * 1024
BARRIER_BYTES = 16 * MIB
BARRIER_SECONDS = 5.0
PAUSE_SECONDS = 0.5
"""A barrier comes after so many bytes or seconds, or when nothing was written for a while."""

_EXTENT_BYTES = MIB  # small writes are recorded together, up to about this many bytes
_OWN_EXTENT_BYTES = 16 * 1024  # and larger ones apart


class Write:
    """Some bytes on their way. A large piece brings its checksum from the thread that made it."""

    __slots__ = ("crc", "data", "filler", "offset")

    def __init__(self, filler: Filler, offset: int, data: bytes) -> None:
        self.filler = filler
        self.offset = offset
        self.data = data
        self.crc = crc32(data) if len(data) >= _OWN_EXTENT_BYTES else None


class Filler:
    """Fills one body. `store` and `alarm` belong to the writer thread."""

    __slots__ = ("_alarmed", "_last", "_since", "_syncing", "_unsynced", "_writer", "body")

    def __init__(self, body: Body, writer: DiskWriter) -> None:
        self.body = body
        self._writer = writer
        self._unsynced = 0
        self._since = 0.0  # when the first of the unsynced bytes came
        self._last = 0.0  # and the last
        self._alarmed = False
        self._syncing = False

    def accepted(self, stop: int) -> None:
        """One more write, up to `stop`, was accepted. Under the writer's lock."""
        self.body.taken += 1
        self.body.top = max(self.body.top, stop)

    def store(self, writes: list[Write]) -> None:
        """Write what is missing of a batch, compare the rest, record it, publish it at once."""
        body, part = self.body, self.body.part
        failure: StorageError | None = self._past_the_end(writes)
        extents: list[Extent] = []
        if failure is None and not body.broken and part.file.enter():
            plan = Plan(writes, body.ranges)
            try:
                self._keep(lambda: part.write(plan.runs), plan)
                differing = plan.first_difference(body)
                if differing is None:
                    self._keep(lambda: part.record(plan.extents, body.length), plan)
                    extents = plan.extents
                else:
                    failure = ContentMismatch(path=body.path, offset=differing)
                    part.doom()
            except OSError as error:
                failure = _translated(error, body, "write")
            finally:
                part.file.leave()
        body.publish([(start, stop) for start, stop, _ in extents], dealt=len(writes))
        if failure is not None:
            body.break_off(failure, withdrawn=part.doomed)
        elif part.journal is not None and part.durability is not Durability.NONE:
            self._note(sum(stop - start for start, stop, _ in extents))
        self._end_if_closed()

    def _keep(self, step: Callable[[], None], plan: Plan) -> None:
        """Do a step of storing on the disk; once that is full, keep the bytes in memory if asked.

        Each of the two steps, writing and recording, may be the one that meets the full disk.
        """
        body = self.body
        if body.spill is None:
            try:
                step()
            except OSError as error:
                failure = _translated(error, body, "write")
                if not body.go_on_in_memory(failure):
                    raise
            else:
                return
        assert body.spill is not None
        body.spill.write(body.part, body.ranges, plan.runs)

    def close(self) -> None:
        """Let go of the file, once what was accepted is on it."""
        if self.body.part.role is Role.LEAD:
            self._end_if_closed()
        else:
            self.body.part.file.close()

    def lose(self, error: BaseException) -> None:
        """Nothing more will be stored: the writer thread died."""
        body = self.body
        failure = StorageFailed(
            f"{body.path.name}: the disk writer died; see its own error",
            path=body.path,
            operation="write",
        )
        failure.__cause__ = error
        with body.lock:
            body.stored = body.taken
        body.break_off(failure)
        self._end_if_closed()

    def begin(self) -> None:
        """Open the journal, if that was not done. Writer thread."""
        body, part = self.body, self.body.part
        if body.broken or body.spill is not None or not part.file.enter():
            return
        try:
            part.begin()
        except OSError as error:
            body.break_off(_translated(error, body, "open"), withdrawn=part.doomed)
        finally:
            part.file.leave()

    def barrier(self, waiter: TaskWaiter | None = None) -> None:
        """Have the syncer make safe what is written."""
        if waiter is None and self._syncing:
            return
        if self.body.confirmed and self.body.part.found is not None:
            self.begin()  # what an earlier process wrote may need it too
        self._syncing = True
        self._unsynced = 0
        self._writer.syncer.submit(Barrier(self, waiter))

    def synced(self) -> None:
        """The syncer is done with a barrier."""
        self._syncing = False

    def alarm(self, now: float) -> float | None:
        """Make safe what has waited for long enough; answer when to look again."""
        if self._unsynced:
            due = min(self._last + PAUSE_SECONDS, self._since + BARRIER_SECONDS)
            if now < due:
                return due
            self.barrier()
        self._alarmed = False
        return None

    def _note(self, size: int) -> None:
        now = time.monotonic()
        if self._unsynced == 0:
            self._since = now
        self._last = now
        self._unsynced += size
        if self._unsynced >= BARRIER_BYTES:
            self.barrier()
        elif not self._alarmed and self._unsynced:
            self._alarmed = True
            self._writer.call_at(now + PAUSE_SECONDS, self.alarm)

    def _end_if_closed(self) -> None:
        body = self.body
        with body.lock:
            ended = body.closed and body.all_stored
        if ended:
            body.part.file.close()

    def _past_the_end(self, writes: list[Write]) -> LengthMismatch | None:
        """A length that was stated while a write waited for room may contradict it."""
        length = self.body.length
        stop = max(write.offset + len(write.data) for write in writes)
        if length is None or stop <= length:
            return None
        return LengthMismatch(
            path=self.body.path, operation="write_at", expected=length, found=stop
        )


class Plan:
    """Writes cut down to the bytes that are not there, joined where they touch."""

    __slots__ = ("_repeats", "extents", "runs")

    def __init__(self, writes: list[Write], there: RangeSet) -> None:
        self.runs: list[tuple[int, list[memoryview]]] = []
        self.extents: list[Extent] = []
        self._repeats: list[tuple[int, memoryview]] = []
        taken = RangeSet()
        end = -1
        for write in writes:
            start, stop = write.offset, write.offset + len(write.data)
            view = memoryview(write.data)
            at = start
            for first, last in _missing(start, stop, there, taken):
                if at < first:
                    self._repeats.append((at, view[at - start : first - start]))
                if first != end:
                    self.runs.append((first, []))
                piece = view[first - start : last - start]
                self.runs[-1][1].append(piece)
                self._extend(first, piece, write.crc if len(piece) == len(view) else None)
                taken.add(first, last)
                at = end = last
            if at < stop:
                self._repeats.append((at, view[at - start :]))

    def first_difference(self, body: Body) -> int | None:
        """Where bytes that were written before differ from those that come again."""
        for offset, view in self._repeats:
            found = memoryview(bytearray(len(view)))
            count = copy(body, offset, found)
            if count < len(view) or found != view:
                return offset + next(
                    (at for at in range(count) if found[at] != view[at]), count
                )  # fmt: skip
        return None

    def _extend(self, start: int, piece: memoryview, crc: int | None) -> None:
        stop = start + len(piece)
        if crc is None and self.extents:
            first, last, before = self.extents[-1]
            if last == start and last - first < _EXTENT_BYTES:
                self.extents[-1] = (first, stop, crc32(piece, before))
                return
        self.extents.append((start, stop, crc32(piece) if crc is None else crc))


def _missing(start: int, stop: int, there: RangeSet, taken: RangeSet) -> Iterable[tuple[int, int]]:
    if start >= there.stop and start >= taken.stop:  # the common case: the next bytes
        return ((start, stop),) if start < stop else ()
    return [
        piece for hole in there.holes(start, stop) for piece in list(taken.holes(*hole))
    ]  # fmt: skip


class Barrier:
    """One trip of a resource to the syncer, to make safe what is written."""

    def __init__(self, filler: Filler, waiter: TaskWaiter | None) -> None:
        self._filler = filler
        self._waiter = waiter
        self.fs = filler.body.part.fs

    def run(self) -> str | None:
        """Sync; no folder needs it."""
        body, part = self._filler.body, self._filler.body.part
        answer: Answer = "ready"
        if part.file.enter():
            try:
                if not body.broken:
                    part.barrier()
            except OSError as error:
                answer = failure = _translated(error, body, "sync")
                if part.doomed or not body.go_on_in_memory(failure):
                    body.break_off(failure, withdrawn=part.doomed)
            finally:
                part.file.leave()
        self._filler.synced()
        _answer(self._waiter, body.failure or answer)
        return None

    def done(self, error: OSError | None) -> None:
        """Nothing more to do."""

    def lose(self, error: BaseException) -> None:
        """The syncer died."""
        self._filler.lose(error)
        _answer(self._waiter, self._filler.body.failure or "ready")


class Commit:
    """One trip of a resource to the syncer, to get its final name."""

    def __init__(self, filler: Filler, length: int, waiter: TaskWaiter) -> None:
        self._filler = filler
        self._length = length
        self._waiter = waiter
        self.fs = filler.body.part.fs

    def run(self) -> str | None:
        """Check, sync and rename; answer the folder to sync before that can be believed."""
        body, part = self._filler.body, self._filler.body.part
        answer = body.check_commit(self._length)
        if answer is None and not part.file.enter():
            answer = ResourceClosed(path=body.path, operation="commit")
        if answer is not None:
            _answer(self._waiter, answer)
            return None
        if body.spill is not None:  # some of it is in memory: it is whole for this handle only
            self._finish(None)
            return None
        try:
            if part.name_it(self._length):
                return folder_of(part.final)
        except OSError as error:
            self._finish(error)
        else:
            self._finish(None)
        return None

    def done(self, error: OSError | None) -> None:
        """The folder was synced, or could not be."""
        self._finish(error)

    def lose(self, error: BaseException) -> None:
        """The syncer died."""
        self._filler.lose(error)
        _answer(self._waiter, self._filler.body.failure or "ready")

    def _finish(self, error: OSError | None) -> None:
        body, part = self._filler.body, self._filler.body.part
        answer: Answer = "ready"
        if error is None:
            body.complete(self._length)
        else:
            answer = failure = _translated(error, body, "commit")
            body.break_off(failure, withdrawn=part.doomed)
        part.file.leave()  # before anybody hears of it: who closes then has let go of everything
        _answer(self._waiter, answer)


def _answer(waiter: Waiter | None, answer: Answer) -> None:
    if waiter is not None and waiter.settle(answer):
        wake_all((waiter,))


def _translated(error: OSError, body: Body, operation: str) -> StorageFailed:
    failure = from_os_error(error, path=body.path, operation=operation)
    failure.__cause__ = error
    return failure
