"""The bytes of one generation as its users see them: what is there, who waits, how it ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias, TypeVar

from ._errors import (
    DiskFull,
    GenerationReplaced,
    LengthMismatch,
    NotWritable,
    ResourceClosed,
    ResourceIncomplete,
    StorageFailed,
)
from ._models import ResourceStatus, WaitOutcome
from ._part import Part, Role
from ._ranges import RangeSet
from ._spill import Spill
from ._waiters import Answer, TaskWaiter, Waiter, wake_all

Observer: TypeAlias = Callable[[int, int], None]

_W = TypeVar("_W", bound=Waiter)
_TRIES = 8
_log = logging.getLogger(__name__)


class Body:
    """What every thread that touches a resource shares. One lock, never held over a system call.

    Only the writer thread adds to `ranges`. `version` is odd while it does, so that `try_read`
    can look without the lock.
    """

    __slots__ = (
        "_lead_waiters",
        "_observers",
        "_version",
        "_waiters",
        "broken",
        "confirmed",
        "failure",
        "length",
        "lock",
        "on_full",
        "part",
        "ranges",
        "spill",
        "status",
        "stored",
        "taken",
        "top",
    )  # fmt: skip

    def __init__(self, part: Part) -> None:
        self.part = part
        self.lock = threading.Lock()
        self.ranges = RangeSet()
        self.status = ResourceStatus.PARTIAL
        self.length = part.length
        self.failure: Exception | None = None
        self.confirmed = part.role is not Role.LEAD  # that one asks: see `confirm`
        self.on_full: Callable[[DiskFull], None] | None = None
        self.spill: Spill | None = None  # what found no room on the disk
        self.broken = False  # the disk failed us: nothing more is stored
        self.taken = 0  # writes that the writer accepted; changes only under its lock
        self.top = 0  # where the farthest of them ends
        self.stored = 0  # writes dealt with; changed only by the writer thread
        self._version = 0
        self._waiters: dict[Waiter, None] = {}
        self._lead_waiters: list[TaskWaiter] | None = None
        self._observers: list[Observer] | None = None
        self.take_part(part)

    def take_part(self, part: Part) -> None:
        """Look at another file from now on; nothing was published of the one before."""
        self.part = part
        if part.role is Role.FINAL:
            self.status = ResourceStatus.COMPLETE
            self.length = part.length
            self.ranges.add(0, part.length or 0)
        elif part.found is not None:
            self.ranges = part.found.ranges()

    @property
    def path(self) -> Path:
        """Where the resource lives once it is complete."""
        return Path(self.part.final)

    @property
    def all_stored(self) -> bool:
        """Whether everything that the writer accepted is dealt with."""
        return self.stored == self.taken

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for bytes. A glance, without the lock."""
        return bool(self._waiters)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self.status is ResourceStatus.CLOSED

    @property
    def following(self) -> bool:
        """Whether another handle writes."""
        return self.part.role is Role.FOLLOW

    def check_open(self, operation: str) -> None:
        """Raise `ResourceClosed` after close. Under the lock."""
        if self.closed:
            raise ResourceClosed(path=self.path, operation=operation)

    def check_length(self, total: int, operation: str) -> None:
        """Raise if `total` contradicts what is known. Under the lock."""
        self.check_open(operation)
        known = self.length
        expected = max(self.top, self.ranges.stop) if known is None else known
        if total != known and (known is not None or total < expected):
            raise LengthMismatch(
                path=self.path, operation=operation, expected=expected, found=total
            )

    def check_writable(self, operation: str) -> None:
        """Raise `NotWritable` while another writes, or until the generation is confirmed."""
        if self.following:
            raise NotWritable(path=self.path, operation=operation, reason="followed")
        if not self.confirmed:
            raise NotWritable(path=self.path, operation=operation, reason="unconfirmed")

    def admit_write(self, start: int, stop: int) -> bool:
        """Whether a write of `[start, stop)` is worth handing to the writer; raises if refused."""
        with self.lock:
            self.check_open("write_at")
            if self.length is not None and stop > self.length:
                raise LengthMismatch(
                    path=self.path, operation="write_at", expected=self.length, found=stop
                )
            if self.status is ResourceStatus.COMPLETE or start == stop:
                return False
            if self.failure is not None:
                raise self.failure
            self.check_writable("write_at")
            return True

    def set_length(self, total: int) -> None:
        """State the length."""
        with self.lock:
            self.check_length(total, "set_length")
            self.length = total
            settled = self.settle()
        wake_all(settled)

    def fail(self, error: Exception) -> bool:
        """End the arrival of bytes; False if it had ended already."""
        with self.lock:
            if self.status is not ResourceStatus.PARTIAL:
                return False
            self.status = ResourceStatus.FAILED
            self.failure = error
            settled = self.settle()
        wake_all(settled)
        return True

    def close(self) -> bool:
        """End everything; False if that was done before."""
        with self.lock:
            if self.closed:
                return False
            self.status = ResourceStatus.CLOSED
            self._observers = None
            settled = self.settle()
        wake_all(settled)
        return True

    def go_on_in_memory(self, failure: StorageFailed) -> bool:
        """Whether the disk is full and what comes now is kept in memory. Tells the first time."""
        if self.on_full is None or not isinstance(failure, DiskFull):
            return False
        with self.lock:
            first = self.spill is None
            if first:
                self.spill = Spill()
                failure.kept = self.ranges.total
        if first:
            self.on_full(failure)
        return True

    def glance(self, offset: int) -> int:
        """`ranges.available` without the lock: it counts if nothing changed meanwhile."""
        for _ in range(_TRIES):
            before = self._version
            if before % 2 == 0:
                try:
                    count = self.ranges.available(offset)
                except IndexError:
                    continue
                if self._version == before:
                    return count
        return 0

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

    def admit_lead(self) -> TaskWaiter | None:
        """Put somebody in the list of those who wait until this handle may write."""
        with self.lock:
            if self.status is not ResourceStatus.PARTIAL or not self.following:
                return None
            waiter = TaskWaiter()
            self._lead_waiters = [*(self._lead_waiters or []), waiter]
            return waiter

    def withdraw(self, waiter: Waiter) -> None:
        """Take somebody off the list."""
        with self.lock:
            self._waiters.pop(waiter, None)

    def observe(self, observer: Observer) -> None:
        """Tell somebody of every range, first of those that are there. Writer thread."""
        with self.lock:
            if self.closed:
                return
            known = list(self.ranges)
            self._observers = [*(self._observers or []), observer]
        self._tell([observer], known)

    def unobserve(self, observer: Observer) -> None:
        """Tell somebody nothing more."""
        with self.lock:
            self._observers = [o for o in self._observers or [] if o is not observer] or None

    def publish(
        self, fresh: Iterable[tuple[int, int]], dealt: int = 0, length: int | None = None
    ) -> None:
        """Let readers see bytes that are on their file and recorded. Writer thread."""
        fresh = list(fresh)
        with self.lock:
            self._version += 1
            for start, stop in fresh:
                self.ranges.add(start, stop)
            self._version += 1
            self.stored += dealt
            if self.length is None:
                self.length = length
            settled = self.settle()
            observers = self._observers
        wake_all(settled)
        if observers and fresh:
            self._tell(observers, fresh)

    def lead(self, part: Part) -> None:
        """The writer that was followed is gone: this handle may write. Writer thread."""
        with self.lock:
            self.confirmed = False
            self.take_part(part)
            settled = self.settle()
        wake_all(settled)

    def complete(self, length: int, part: Part | None = None) -> None:
        """Every byte is there, under the final name; `part` if others wrote some of them."""
        with self.lock:
            self.length = length
            fresh = list(self.ranges.holes(0, length))
            if part is not None:
                self.part = part
                self._version += 1
                self.ranges.add(0, length)
                self._version += 1
            if not self.closed:
                self.status = ResourceStatus.COMPLETE
                self.failure = None  # it came too late
            settled = self.settle()
            observers = self._observers
        wake_all(settled)
        if observers and fresh:
            self._tell(observers, fresh)

    def break_off(self, failure: Exception, *, withdrawn: bool = False) -> None:
        """Store nothing more: the disk failed, or contradicted itself.

        With `withdrawn`, not even the published bytes can be believed any more.
        """
        with self.lock:
            self.broken = True
            if isinstance(failure, DiskFull):
                failure.kept = self.ranges.total
            if withdrawn:
                self._version += 1
                self.ranges = RangeSet()
                self._version += 1
            if self.status is ResourceStatus.PARTIAL or (withdrawn and not self.closed):
                self.status = ResourceStatus.FAILED
                self.failure = failure
            settled = self.settle()
        wake_all(settled)

    def replaced(self) -> None:
        """Another generation took the place of this one."""
        self.break_off(GenerationReplaced(path=self.path))

    def check_commit(self, length: int) -> Answer | None:
        """Answer a commit that is not to be carried out; None if it is."""
        with self.lock:
            if self.status is ResourceStatus.COMPLETE:
                return "ready"
            if self.closed:
                return ResourceClosed(path=self.path, operation="commit")
            if self.failure is not None:
                return self.failure
            hole = self.ranges.next_hole(0, length)
            if hole is not None:
                return ResourceIncomplete(path=self.path, length=length, hole=hole)
            self.length = length
            return None

    def settle(self) -> list[Waiter]:
        """Answer every wait that can be answered now; wake the result. Under the lock."""
        settled: list[Waiter] = []
        for waiter in list(self._waiters) if self._waiters else ():
            answer = self._answer(waiter.start, waiter.stop)
            if answer is not None:
                del self._waiters[waiter]
                if waiter.settle(answer):
                    settled.append(waiter)
        if self._lead_waiters and (self.status is not ResourceStatus.PARTIAL or not self.following):
            settled += [waiter for waiter in self._lead_waiters if waiter.settle("ready")]
            self._lead_waiters = None
        return settled

    def _answer(self, start: int, stop: int) -> Answer | None:
        """What a wait is answered now; None if it must wait. Under the lock."""
        if self.closed:
            return ResourceClosed(path=self.path, operation="wait_range")
        if start == stop:
            return "ready"
        if self.length is not None:
            if start >= self.length:
                return "eof"
            stop = min(stop, self.length)
        if self.ranges.contains(start, stop):
            return "ready"
        if self.failure is not None and (self.broken or self.all_stored):
            return self.failure
        return None

    def _tell(self, observers: list[Observer], ranges: list[tuple[int, int]]) -> None:
        for observer in observers:
            try:
                for start, stop in ranges:
                    observer(start, stop)
            except Exception:  # noqa: BLE001  # a stranger's code must not end the writer thread
                _log.exception("an observer of %s failed and is told nothing more", self.path.name)
                self.unobserve(observer)
