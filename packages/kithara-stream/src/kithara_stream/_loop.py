"""An event loop in a thread, for people whose program has none."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


class LoopThread:
    """Owns a thread with a running event loop; a context manager.

    `close` cancels whatever still runs there, joins the thread and is idempotent.
    """

    def __init__(self, name: str = "kithara-loop") -> None:
        started: concurrent.futures.Future[asyncio.AbstractEventLoop] = concurrent.futures.Future()
        self._stop = asyncio.Event()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, args=(started,), name=name, daemon=True)
        self._thread.start()
        self._loop = started.result()

    def _serve(self, started: concurrent.futures.Future[asyncio.AbstractEventLoop]) -> None:
        async def until_stopped() -> None:
            started.set_result(asyncio.get_running_loop())
            await self._stop.wait()

        asyncio.run(until_stopped())

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, for `call_soon_threadsafe` and friends."""
        return self._loop

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run a coroutine on the loop and wait for it; its exception is raised here.

        An interrupt (Ctrl-C) while waiting cancels the coroutine and waits until it has cleaned
        up. Must not be called from the loop's own thread. Raises RuntimeError when closed.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("run() would wait for its own thread; await the coroutine instead")
        outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        task: asyncio.Task[T] | None = None

        def finish(done: asyncio.Task[T]) -> None:
            if done.cancelled():
                outcome.set_exception(asyncio.CancelledError())
            elif (error := done.exception()) is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(done.result())

        def begin() -> None:
            nonlocal task
            task = self._loop.create_task(work)
            task.add_done_callback(finish)

        def cancel() -> None:
            if task is not None:
                task.cancel()

        try:
            # What begins before the loop is told to stop is cancelled by it, and so ends.
            with self._lock:
                if self._closed:
                    work.close()
                    raise RuntimeError("the loop thread is closed")
                self._loop.call_soon_threadsafe(begin)
            return outcome.result()
        except KeyboardInterrupt:
            self._loop.call_soon_threadsafe(cancel)
            concurrent.futures.wait([outcome])
            raise

    def close(self) -> None:
        """Cancel what still runs, wait for its clean-up, end the thread."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
