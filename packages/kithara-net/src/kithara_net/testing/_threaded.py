"""The test server in a thread of its own, for synchronous code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from kithara_net.testing._server import Server


class ThreadedServer(Server):
    """A `Server` that runs in its own thread: `with ThreadedServer() as server`.

    Everything of `Server` but `wait_for` may be called from any thread; use `wait` instead.
    """

    def __init__(
        self, *, bytes_per_second: float | None = None, send_buffer: int | None = None
    ) -> None:
        super().__init__(bytes_per_second=bytes_per_second, send_buffer=send_buffer)
        self._started = threading.Event()
        self._stop: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="kithara-test-server")
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server and join its thread; again is harmless."""
        loop, stop, thread = self._loop, self._stop, self._thread
        if loop is None or stop is None or thread is None:
            return
        loop.call_soon_threadsafe(stop.set)
        thread.join()

    def wait(self, condition: Callable[[], bool], timeout: float = 30.0) -> None:
        """Block until `condition()` is true, at most `timeout` seconds (`TimeoutError`)."""
        if self._loop is None:
            raise RuntimeError("the server does not run")
        asyncio.run_coroutine_threadsafe(self.wait_for(condition), self._loop).result(timeout)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except OSError as exc:
            self._failure = exc
        finally:
            self._started.set()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        async with self:
            self._started.set()
            await self._stop.wait()
