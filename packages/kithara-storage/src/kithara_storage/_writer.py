"""The one thread that writes: batches of many resources, bounded in bytes."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, TypeAlias

from ._errors import WriterClosed
from ._waiters import Answer, TaskWaiter, Waiter, wake_all

MIB = 1024 * 1024

Job: TypeAlias = Callable[[], Answer]


class Target(Protocol):
    """What the writer writes for."""

    def accepted(self, stop: int) -> None:
        """One more write, up to `stop`, was accepted; called with the writer's lock held."""
        ...

    def store(self, writes: list[tuple[int, bytes]]) -> None:
        """Write and publish, in the writer thread; never raises an `OSError`."""
        ...

    def lose(self, error: BaseException) -> None:
        """The writer thread died: nothing more will be stored."""
        ...


class _Write:
    __slots__ = ("data", "offset", "target")

    def __init__(self, target: Target, offset: int, data: bytes) -> None:
        self.target = target
        self.offset = offset
        self.data = data


class _Task:
    __slots__ = ("job", "target", "waiter")

    def __init__(self, target: Target, job: Job, waiter: Waiter) -> None:
        self.target = target
        self.job = job
        self.waiter = waiter


class DiskWriter:
    """Writes the bytes of any number of resources in one thread of its own.

    At most `max_pending_bytes` are accepted and not yet written (one write larger than that
    passes alone); a full writer makes `StreamingResource.write_at` wait, in order.
    A context manager: the thread starts on entry; leaving writes what was accepted and joins.
    """

    def __init__(self, max_pending_bytes: int = 4 * MIB) -> None:
        if max_pending_bytes <= 0:
            raise ValueError("max_pending_bytes must be positive")
        self._limit = max_pending_bytes
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._queue: deque[_Write | _Task] = deque()
        self._line: deque[tuple[_Write, TaskWaiter]] = deque()  # writes that wait for room
        self._pending = 0
        self._idle = False
        self._running = False
        self._thread: threading.Thread | None = None
        self._visited: set[Path] = set()

    def __enter__(self) -> DiskWriter:
        with self._lock:
            if self._thread is not None:
                raise WriterClosed
            self._thread = threading.Thread(
                target=self._run, name="kithara-disk-writer", daemon=True
            )
            self._running = True
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
            self._work.notify()
        if self._thread is not None:
            self._thread.join()

    def _first_visit(self, directory: Path) -> bool:
        with self._lock:
            if directory in self._visited:
                return False
            self._visited.add(directory)
            return True

    def _try_put(self, target: Target, offset: int, data: bytes) -> bool:
        """Accept a write if there is room now; True if so."""
        with self._lock:
            if not self._running:
                raise WriterClosed
            if self._line or not self._has_room(len(data)):
                return False
            self._accept(_Write(target, offset, data))
            return True

    async def _put(self, target: Target, offset: int, data: bytes) -> None:
        """Wait in line until a write is accepted; cancelling leaves the line."""
        with self._lock:
            if not self._running:
                raise WriterClosed
            if not self._line and self._has_room(len(data)):
                self._accept(_Write(target, offset, data))
                return
            place = (_Write(target, offset, data), TaskWaiter())
            self._line.append(place)
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

    def _submit(self, target: Target, job: Job) -> TaskWaiter:
        """Run `job` in the writer thread after everything accepted so far."""
        waiter = TaskWaiter()
        with self._lock:
            if not self._running:
                raise WriterClosed
            self._push(_Task(target, job, waiter))
        return waiter

    def _abandon(self, target: Target, error: Exception) -> None:
        """Turn away the writes of `target` that still wait for room."""
        with self._lock:
            gone = [place for place in self._line if place[0].target is target]
            for place in gone:
                self._line.remove(place)
            granted = self._admit_line()
        wake_all([waiter for _, waiter in gone if waiter.settle(error)] + granted)

    def _has_room(self, size: int) -> bool:
        return self._pending == 0 or self._pending + size <= self._limit

    def _accept(self, write: _Write) -> None:
        self._pending += len(write.data)
        write.target.accepted(write.offset + len(write.data))
        self._push(write)

    def _push(self, item: _Write | _Task) -> None:
        self._queue.append(item)
        if self._idle:
            self._idle = False
            self._work.notify()

    def _admit_line(self) -> list[TaskWaiter]:
        granted = []
        while self._line and self._has_room(len(self._line[0][0].data)):
            write, waiter = self._line.popleft()
            if waiter.settle("ready"):
                self._accept(write)
                granted.append(waiter)
        return granted

    def _run(self) -> None:
        batch: list[_Write] | _Task | None = None
        try:
            while (batch := self._next_batch()) is not None:
                if isinstance(batch, _Task):
                    answer = batch.job()
                    if batch.waiter.settle(answer):
                        wake_all((batch.waiter,))
                else:
                    self._write(batch)
        except BaseException as error:
            self._lose_all(error, batch)
            raise

    def _next_batch(self) -> list[_Write] | _Task | None:
        """Wait for work: writes up to the next task at most, or that task; None at the end."""
        with self._work:
            while not self._queue:
                if not self._running:
                    return None
                self._idle = True
                self._work.wait()
            self._idle = False
            batch: list[_Write] = []
            room = max(1, self._limit // 4)  # so that more comes in while these are written
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

    def _write(self, batch: list[_Write]) -> None:
        writes: dict[Target, list[tuple[int, bytes]]] = {}
        for item in batch:
            writes.setdefault(item.target, []).append((item.offset, item.data))
        for target, group in writes.items():
            target.store(group)
        with self._lock:
            self._pending -= sum(len(item.data) for item in batch)
            granted = self._admit_line()
        wake_all(granted)

    def _lose_all(self, error: BaseException, batch: list[_Write] | _Task | None) -> None:
        with self._lock:
            self._running = False
            left = [*([batch] if isinstance(batch, _Task) else batch or ()), *self._queue]
            line = list(self._line)
            self._queue.clear()
            self._line.clear()
        for target in {item.target for item in left} | {write.target for write, _ in line}:
            target.lose(error)
        closed = WriterClosed()
        waiters: list[Waiter] = [item.waiter for item in left if isinstance(item, _Task)]
        waiters += [waiter for _, waiter in line]
        wake_all([waiter for waiter in waiters if waiter.settle(closed)])
