"""Work that is not left halfway, however often its waiter is cancelled.

asyncio cancels a task once. The scopes of anyio, and so Starlette and FastAPI, cancel it again at
every await until they are left, which would cut short what tidies up.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar


class Closable(Protocol):
    """What is to be closed in the end."""

    async def aclose(self) -> None: ...


Answer = TypeVar("Answer")
Opened = TypeVar("Opened", bound=Closable)


async def to_the_end(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Await `work`; who is cancelled meanwhile waits for its end first."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return task.result()


async def all_or_nothing(opening: Coroutine[Any, Any, Opened]) -> Opened:
    """Await `opening`; who is cancelled meanwhile waits until all of it is undone."""
    task = asyncio.create_task(opening)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        await to_the_end(_undone(task))
        raise
    return task.result()


async def _undone(opening: "asyncio.Task[Opened]") -> None:
    await asyncio.wait([opening])
    if not opening.cancelled() and opening.exception() is None:
        await opening.result().aclose()
