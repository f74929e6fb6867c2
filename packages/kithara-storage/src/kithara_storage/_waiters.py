"""Waiting for one answer, from a thread or from a task, without polling."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterable
from typing import TypeAlias

from ._models import WaitOutcome

Answer: TypeAlias = WaitOutcome | Exception


class Waiter:
    """Somebody who waits for `[start, stop)`; gets one answer, the first one given."""

    __slots__ = ("_answer", "_lock", "start", "stop")

    def __init__(self, start: int, stop: int) -> None:
        self.start = start
        self.stop = stop
        self._lock = threading.Lock()
        self._answer: Answer | None = None

    def settle(self, answer: Answer) -> bool:
        """Give the answer; False if there is one already. The giver of the answer then wakes."""
        with self._lock:
            if self._answer is not None:
                return False
            self._answer = answer
            return True

    @property
    def answer(self) -> Answer:
        """The answer; only after the wait is over."""
        assert self._answer is not None
        return self._answer


class ThreadWaiter(Waiter):
    """A waiting thread, woken by a gate of its own."""

    __slots__ = ("_gate",)

    def __init__(self, start: int, stop: int) -> None:
        super().__init__(start, stop)
        self._gate = threading.Lock()
        self._gate.acquire()

    def wake(self) -> None:
        """Let the thread go on; once, after `settle` returned True."""
        self._gate.release()

    def wait(self, timeout: float | None) -> Answer:
        """Block until woken; a `TimeoutError` is the answer if nobody did in time (seconds)."""
        limit = -1.0 if timeout is None else min(max(timeout, 0.0), threading.TIMEOUT_MAX)
        if not self._gate.acquire(timeout=limit):
            self.settle(_too_late(self, timeout))
        return self.answer


class TaskWaiter(Waiter):
    """A waiting task, woken through its event loop. Made on that loop."""

    __slots__ = ("future", "loop")

    def __init__(self, start: int = 0, stop: int = 0) -> None:
        super().__init__(start, stop)
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()

    async def wait(self, timeout: float | None = None) -> Answer:
        """Await the answer; a `TimeoutError` is the answer if there was none in time."""
        if timeout is None:
            await self.future
            return self.answer
        try:
            async with asyncio.timeout(timeout):
                await self.future
        except TimeoutError:
            self.settle(_too_late(self, timeout))
        return self.answer


def wake_all(waiters: Iterable[Waiter]) -> None:
    """Wake settled waiters: each thread by its gate, tasks by one call for each loop.

    Call it with no lock held.
    """
    tasks: dict[asyncio.AbstractEventLoop, list[TaskWaiter]] = {}
    for waiter in waiters:
        if isinstance(waiter, ThreadWaiter):
            waiter.wake()
        elif isinstance(waiter, TaskWaiter):
            tasks.setdefault(waiter.loop, []).append(waiter)
    for loop, group in tasks.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there now
            loop.call_soon_threadsafe(_resolve, group)


def _resolve(group: list[TaskWaiter]) -> None:
    for waiter in group:
        if not waiter.future.done():
            waiter.future.set_result(None)


def _too_late(waiter: Waiter, timeout: float | None) -> TimeoutError:
    return TimeoutError(f"bytes {waiter.start}-{waiter.stop} did not arrive within {timeout} s")


class CancelToken:
    """Ends waits from outside: any thread, any number of waits, on any number of resources."""

    __slots__ = ("_error", "_lock", "_waiters")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._error: Exception | None = None
        self._waiters: set[Waiter] = set()

    def cancel(self, error: Exception) -> None:
        """Make every present and later wait with this token raise `error`, that very object.

        From any thread. Only the first call counts.
        """
        with self._lock:
            if self._error is not None:
                return
            self._error = error
            waiters = self._waiters
            self._waiters = set()
        wake_all([waiter for waiter in waiters if waiter.settle(error)])

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._error is not None

    @property
    def error(self) -> Exception | None:
        """What waits raise; None while not cancelled."""
        return self._error

    def _attach(self, waiter: Waiter) -> None:
        with self._lock:
            error = self._error
            if error is None:
                self._waiters.add(waiter)
                return
        if waiter.settle(error):
            wake_all((waiter,))

    def _detach(self, waiter: Waiter) -> None:
        with self._lock:
            self._waiters.discard(waiter)
