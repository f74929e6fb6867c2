"""The bytes of one resource: which are there, who waits for more, and how it ends."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TypeVar

from ._errors import (
    LengthMismatch,
    ResourceClosed,
    ResourceIncomplete,
    StorageFailed,
    from_os_error,
)
from ._fs import FsOps
from ._models import Durability, ResourceStatus, WaitOutcome
from ._part import OpenFile, discard
from ._ranges import RangeSet
from ._waiters import Answer, Waiter, wake_all

_W = TypeVar("_W", bound=Waiter)


class Body:
    """What every thread that touches a resource shares. One lock, never held over a system call.

    `store`, `commit` and `lose` belong to the writer thread, which alone adds to `ranges`. The
    descriptor is closed by whoever uses it last, so nobody can meet a number that was given out
    again.
    """

    def __init__(self, path: Path, file: OpenFile, durability: Durability, fs: FsOps) -> None:
        self.path = path
        self.lock = threading.Lock()
        self.ranges = RangeSet()
        self.status = ResourceStatus.PARTIAL
        self.length: int | None = None
        self.failure: Exception | None = None
        self._durability = durability
        self._fs = fs
        self._file = file
        self._users = 0  # whoever uses the descriptor now
        self._waiters: dict[Waiter, None] = {}
        self._broken = False  # the disk failed us: nothing more is stored
        self._accepted = 0  # writes; this and the stop change only under the writer's lock
        self._stored = 0  # writes; changed only by the writer thread
        self._accepted_stop = 0
        if file.part is None:
            self.status = ResourceStatus.COMPLETE
            self.length = file.size
            self.ranges.add(0, file.size)

    @property
    def all_stored(self) -> bool:
        """Whether everything that the writer accepted is dealt with."""
        return self._stored == self._accepted

    @property
    def _closed(self) -> bool:
        return self.status is ResourceStatus.CLOSED

    def check_open(self, operation: str) -> None:
        """Raise `ResourceClosed` after close. Under the lock."""
        if self._closed:
            raise ResourceClosed(path=self.path, operation=operation)

    def check_length(self, total: int, operation: str) -> None:
        """Raise if `total` contradicts what is known. Under the lock."""
        self.check_open(operation)
        known = self.length
        expected = self._accepted_stop if known is None else known
        if total != known and (known is not None or total < self._accepted_stop):
            raise LengthMismatch(
                path=self.path, operation=operation, expected=expected, found=total
            )

    def admit_write(self, start: int, stop: int) -> bool:
        """Whether a write of `[start, stop)` is worth handing to the writer; raises if refused."""
        with self.lock:
            self.check_open("write_at")
            if self.length is not None and stop > self.length:
                raise LengthMismatch(
                    path=self.path, operation="write_at", expected=self.length, found=stop
                )
            if self.ranges.contains(start, stop):
                return False
            if self.failure is not None:
                raise self.failure
            return True

    def set_length(self, total: int) -> None:
        """State the length."""
        with self.lock:
            self.check_length(total, "set_length")
            self.length = total
            settled = self._settle()
        wake_all(settled)

    def fail(self, error: Exception) -> bool:
        """End the arrival of bytes; False if it had ended already."""
        with self.lock:
            if self.status is not ResourceStatus.PARTIAL:
                return False
            self.status = ResourceStatus.FAILED
            self.failure = error
            settled = self._settle()
        wake_all(settled)
        return True

    def close(self) -> bool:
        """End everything; False if that was done before."""
        with self.lock:
            if self._closed:
                return False
            self.status = ResourceStatus.CLOSED
            settled = self._settle()
            last = self._users == 0
        wake_all(settled)
        if last:
            discard(self._fs, self._file)
        return True

    def read(self, offset: int, view: memoryview) -> int:
        """Copy what is there from `offset` on."""
        with self.lock:
            self.check_open("read_into")
            count = min(self.ranges.available(offset), len(view))
            if count == 0:
                return 0
            self._users += 1
        try:
            done = self._fs.read_all(self._file.fd, view[:count], offset)
        except OSError as error:
            raise from_os_error(error, path=self.path, operation="read") from error
        finally:
            self._leave()
        if done < count:
            raise StorageFailed(
                f"{self.path.name}: bytes {offset + done}-{offset + count - 1} are gone; "
                "something else changed the file, remove it and fetch it again",
                path=self.path,
                operation="read",
            )
        return done

    def admit_wait(self, start: int, stop: int, kind: type[_W]) -> WaitOutcome | _W:
        """Answer a wait at once, or put somebody in the list."""
        with self.lock:
            answer = self._answer(start, stop)
            if answer is None:
                waiter = kind(start, stop)
                self._waiters[waiter] = None
                return waiter
        if isinstance(answer, Exception):
            raise answer
        return answer

    def withdraw(self, waiter: Waiter) -> None:
        """Take somebody off the list."""
        with self.lock:
            self._waiters.pop(waiter, None)

    def accepted(self, stop: int) -> None:
        """One more write, up to `stop`, was accepted. Under the writer's lock."""
        self._accepted += 1
        self._accepted_stop = max(self._accepted_stop, stop)

    def store(self, writes: list[tuple[int, bytes]]) -> None:
        """Write what is missing of a batch, then publish it at once. Writer thread."""
        fresh = RangeSet()
        failure = self._past_the_end(writes)
        if failure is None and self._enter():
            try:
                for offset, views in self._runs(writes):
                    self._fs.write_all(self._file.fd, views, offset)
                    fresh.add(offset, offset + sum(map(len, views)))
            except OSError as error:
                failure = from_os_error(error, path=self.path, operation="write")
                failure.__cause__ = error
            finally:
                self._leave()
        with self.lock:
            for start, stop in fresh:
                self.ranges.add(start, stop)
            self._stored += len(writes)
            if failure is not None:
                self._break(failure)
            settled = self._settle()
        wake_all(settled)

    def commit(self, length: int) -> Answer:
        """Check, sync and rename. Writer thread."""
        with self.lock:
            if self.status is ResourceStatus.COMPLETE:
                return "ready"
            if self._closed:
                return ResourceClosed(path=self.path, operation="commit")
            if self.failure is not None:
                return self.failure
            hole = self.ranges.next_hole(0, length)
            if hole is not None:
                return ResourceIncomplete(path=self.path, length=length, hole=hole)
            self.length = length
            self._users += 1
        failure: Exception | None = None
        try:
            self._give_name(length)
        except OSError as error:
            failure = from_os_error(error, path=self.path, operation="commit")
            failure.__cause__ = error
        finally:
            with self.lock:
                if failure is not None:
                    self._break(failure)
                elif not self._closed:
                    self.status = ResourceStatus.COMPLETE
                    self.failure = None  # it came too late: every byte is there
                settled = self._settle()
            wake_all(settled)
            self._leave()
        return failure or "ready"

    def lose(self, error: BaseException) -> None:
        """Nothing more will be stored: the writer thread died."""
        failure = StorageFailed(
            f"{self.path.name}: the disk writer died; see its own error",
            path=self.path,
            operation="write",
        )
        failure.__cause__ = error
        with self.lock:
            self._stored = self._accepted
            self._break(failure)
            settled = self._settle()
        wake_all(settled)

    def _runs(self, writes: list[tuple[int, bytes]]) -> list[tuple[int, list[memoryview]]]:
        """Cut writes down to the bytes that are not there, joined where they touch."""
        taken = RangeSet()
        runs: list[tuple[int, list[memoryview]]] = []
        end = -1
        for offset, data in writes:
            view = memoryview(data)
            for hole in self.ranges.holes(offset, offset + len(data)):
                for start, stop in list(taken.holes(*hole)):
                    if start != end:
                        runs.append((start, []))
                    runs[-1][1].append(view[start - offset : stop - offset])
                    taken.add(start, stop)
                    end = stop
        return runs

    def _past_the_end(self, writes: list[tuple[int, bytes]]) -> Exception | None:
        """A length that was stated while a write waited for room may contradict it."""
        stop = max(offset + len(data) for offset, data in writes)
        if self.length is None or stop <= self.length:
            return None
        return LengthMismatch(
            path=self.path, operation="write_at", expected=self.length, found=stop
        )

    def _give_name(self, length: int) -> None:
        fs, file = self._fs, self._file
        assert file.part is not None
        there = fs.stat(self.path)
        if there is not None and fs.is_file(there) and there.st_size > 0:
            fs.unlink(file.part)  # another writer was first; ours serves the readers we have
            file.part = None
            return
        fs.ftruncate(file.fd, length)
        if self._durability is Durability.FULL:
            fs.fullsync(file.fd)
        elif self._durability is Durability.DATA:
            fs.fdatasync(file.fd)
        fs.rename(file.part, self.path)
        file.part = None
        if self._durability is not Durability.NONE:
            fs.fsync_dir(self.path.parent)

    def _answer(self, start: int, stop: int) -> Answer | None:
        """What a wait is answered now; None if it must wait. Under the lock."""
        if self._closed:
            return ResourceClosed(path=self.path, operation="wait_range")
        if start == stop:
            return "ready"
        if self.length is not None:
            if start >= self.length:
                return "eof"
            stop = min(stop, self.length)
        if self.ranges.contains(start, stop):
            return "ready"
        if self.failure is not None and (self._broken or self.all_stored):
            return self.failure
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
        """Stop storing: the disk failed. Under the lock."""
        self._broken = True
        if self.status is ResourceStatus.PARTIAL:
            self.status = ResourceStatus.FAILED
            self.failure = failure

    def _enter(self) -> bool:
        """Take the descriptor into use for storing; False if nothing is stored any more."""
        with self.lock:
            if self._broken or self._closed:
                return False
            self._users += 1
            return True

    def _leave(self) -> None:
        with self.lock:
            self._users -= 1
            last = self._users == 0 and self._closed
        if last:
            discard(self._fs, self._file)
