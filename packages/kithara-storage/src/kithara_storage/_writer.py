"""The one thread that writes: batches of many resources, bounded in bytes."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TypeAlias

from ._errors import ResourceClosed, WriterClosed
from ._filler import MIB, Filler, Write
from ._syncer import Syncer
from ._waiters import TaskWaiter, Waiter, wake_all

GATHER_SECONDS = 0.001
"""While bytes keep coming, they are gathered for so long before each write, or up to an eighth of
the bound: a hand-over between threads costs more than writing a piece. Nobody waits longer."""

BATCH_BYTES = MIB
"""So much is written at once, or half of the bound, and what is left of the last piece. From 2 MiB
on Linux keeps it in huge pages, and to find those was seen to double the time of a batch."""

Job: TypeAlias = Callable[[TaskWaiter], None]
"""Something to do in the writer thread; whoever does its last step answers the waiter."""

Alarm: TypeAlias = Callable[[float], float | None]
"""Called with the time of now (monotonic seconds, infinite at the end); says when again."""


class _Task:
    __slots__ = ("filler", "job", "waiter")

    def __init__(self, filler: Filler, job: Job, waiter: TaskWaiter) -> None:
        self.filler = filler
        self.job = job
        self.waiter = waiter


class DiskWriter:
    """Writes the bytes of any number of resources in a thread of its own; syncs in another.

    At most `max_pending_bytes` are accepted and not yet written (one write larger than that
    passes alone); a full writer makes `StreamingResource.write_at` wait, in order, until half of
    it is written: each hand-over between threads costs as much as writing a large piece.
    A context manager: the threads start on entry; leaving writes what was accepted, makes it safe
    and joins.
    """

    def __init__(self, max_pending_bytes: int = 4 * MIB) -> None:
        if max_pending_bytes <= 0:
            raise ValueError("max_pending_bytes must be positive")
        self._limit = max_pending_bytes
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._queue: deque[Write | _Task] = deque()
        self._line: deque[tuple[Write, TaskWaiter]] = deque()  # writes that wait for room
        self._pending = 0
        self._idle = False
        self._gathering = False
        self._wrote_at = 0.0  # when the last batch was done
        self._running = False
        self._thread: threading.Thread | None = None
        self._visited: set[str] = set()
        self._alarms: list[tuple[float, int, Alarm]] = []
        self._numbers = itertools.count()
        self.syncer = Syncer()

    def __enter__(self) -> DiskWriter:
        with self._lock:
            if self._thread is not None:
                raise WriterClosed
            self._thread = threading.Thread(
                target=self._run, name="kithara-disk-writer", daemon=True
            )
            self._running = True
        self.syncer.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pending_bytes(self) -> int:
        """How many bytes are accepted and not yet written."""
        return self._pending

    def close(self) -> None:
        """Write what was accepted, end the thread and wait for it; idempotent. Blocks."""
        with self._work:
            self._running = False
            self._rouse()
        if self._thread is not None:
            self._thread.join()
        self.syncer.close()

    def call_at(self, when: float, alarm: Alarm) -> None:
        """Call `alarm` in the writer thread at a time (monotonic seconds)."""
        with self._work:
            heapq.heappush(self._alarms, (when, next(self._numbers), alarm))
            if self._idle and self._alarms[0][2] is alarm:
                self._rouse()

    def _first_visit(self, directory: str) -> bool:
        with self._lock:
            if directory in self._visited:
                return False
            self._visited.add(directory)
            return True

    def _try_put(self, write: Write) -> bool:
        """Accept a write if there is room now; True if so."""
        with self._lock:
            if not self._running:
                raise WriterClosed
            if self._line or not self._has_room(len(write.data)):
                return False
            self._accept(write)
            return True

    async def _put(self, write: Write) -> None:
        """Wait in line until a write is accepted; cancelling leaves the line."""
        with self._lock:
            if not self._running:
                raise WriterClosed
            if not self._line and self._has_room(len(write.data)):
                self._accept(write)
                return
            place = (write, TaskWaiter())
            self._line.append(place)
            if self._gathering:
                self._rouse()
        try:
            answer = await place[1].wait()
        except asyncio.CancelledError:
            with self._lock:
                if place in self._line:
                    self._line.remove(place)
                granted = self._admit_line()
            wake_all(granted)
            raise
        if isinstance(answer, Exception):
            raise answer

    def _submit(self, filler: Filler, job: Job) -> TaskWaiter:
        """Run `job` in the writer thread after everything accepted so far."""
        waiter = TaskWaiter()
        with self._lock:
            if not self._running:
                raise WriterClosed
            self._push(_Task(filler, job, waiter))
        return waiter

    def _abandon(self, filler: Filler, error: Exception | None = None) -> None:
        """Turn away the writes of `filler` that wait for room; without `error`, it was closed."""
        with self._lock:
            if not self._line:
                return
            refusal = error or ResourceClosed(path=filler.body.path, operation="write_at")
            gone = [place for place in self._line if place[0].filler is filler]
            for place in gone:
                self._line.remove(place)
            granted = self._admit_line()
        wake_all([waiter for _, waiter in gone if waiter.settle(refusal)] + granted)

    def _has_room(self, size: int) -> bool:
        return self._pending == 0 or self._pending + size <= self._limit

    def _accept(self, write: Write) -> None:
        self._pending += len(write.data)
        write.filler.accepted(write.offset + len(write.data))
        self._push(write)

    def _push(self, item: Write | _Task) -> None:
        self._queue.append(item)
        if self._idle or (self._gathering and self._is_urgent(item)):
            self._rouse()

    def _rouse(self) -> None:
        self._idle = self._gathering = False
        self._work.notify()

    def _is_urgent(self, item: Write | _Task) -> bool:
        """Whether it may not wait for more to come."""
        enough = self._pending >= self._limit // 8
        return enough or isinstance(item, _Task) or item.filler.body.awaited

    def _admit_line(self) -> list[TaskWaiter]:
        granted: list[TaskWaiter] = []
        if self._pending > self._limit // 2:
            return granted
        while self._line and self._has_room(len(self._line[0][0].data)):
            write, waiter = self._line.popleft()
            if waiter.settle("ready"):
                self._accept(write)
                granted.append(waiter)
        return granted

    def _run(self) -> None:
        batch: list[Write] | _Task | None = None
        try:
            while (batch := self._next_batch()) is not None:
                if isinstance(batch, _Task):
                    batch.job(batch.waiter)
                elif batch:
                    self._write(batch)
                self._ring(time.monotonic())
                batch = None  # what is done is not kept alive by a thread that waits
            self._ring(math.inf)
        except BaseException as error:
            self._lose_all(error, batch)
            raise

    def _ring(self, now: float) -> None:
        """Call the alarms whose time has come; at the end all, once."""
        while self._alarms and self._alarms[0][0] <= now:
            with self._lock:
                _, number, alarm = heapq.heappop(self._alarms)
            again = alarm(now)
            if again is not None and now < math.inf:
                with self._lock:
                    heapq.heappush(self._alarms, (again, number, alarm))

    def _next_batch(self) -> list[Write] | _Task | None:
        """Wait for work: writes up to the next task at most, or that task; None at the end.

        No writes at all if it is time for an alarm.
        """
        with self._work:
            while not self._queue:
                if not self._running:
                    return None
                timeout = None
                if self._alarms:
                    timeout = self._alarms[0][0] - time.monotonic()
                    if timeout <= 0:
                        return []
                self._idle = True
                self._work.wait(timeout)
            self._idle = False
            self._gather()
            batch: list[Write] = []
            # so that more comes in while these are written
            room = min(max(1, self._limit // 2), BATCH_BYTES)
            while self._queue and room > 0:
                item = self._queue[0]
                if isinstance(item, _Task):
                    if batch:
                        break
                    self._queue.popleft()
                    return item
                self._queue.popleft()
                batch.append(item)
                room -= len(item.data)
            return batch

    def _gather(self) -> None:
        """Let more writes come, if the last ones came just now and nobody is kept waiting."""
        flowing = self._running and time.monotonic() < self._wrote_at + GATHER_SECONDS
        if flowing and not self._line and not any(map(self._is_urgent, self._queue)):
            self._gathering = True
            self._work.wait_for(lambda: not self._gathering, GATHER_SECONDS)
            self._gathering = False

    def _write(self, batch: list[Write]) -> None:
        writes: dict[Filler, list[Write]] = {}
        for item in batch:
            writes.setdefault(item.filler, []).append(item)
        for filler, group in writes.items():
            filler.store(group)
        with self._lock:
            self._pending -= sum(len(item.data) for item in batch)
            granted = self._admit_line()
            self._wrote_at = time.monotonic()
        wake_all(granted)

    def _lose_all(self, error: BaseException, batch: list[Write] | _Task | None) -> None:
        with self._lock:
            self._running = False
            left = [*([batch] if isinstance(batch, _Task) else batch or ()), *self._queue]
            line = list(self._line)
            self._queue.clear()
            self._line.clear()
        for filler in {item.filler for item in left} | {write.filler for write, _ in line}:
            filler.lose(error)
        closed = WriterClosed()
        waiters: list[Waiter] = [item.waiter for item in left if isinstance(item, _Task)]
        waiters += [waiter for _, waiter in line]
        wake_all([waiter for waiter in waiters if waiter.settle(closed)])
