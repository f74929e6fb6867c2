"""What is opened whole or not at all, however often its waiter is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from kithara_stream import to_the_end


class Closable(Protocol):
    """What is to be closed in the end."""

    async def aclose(self) -> None: ...


Opened = TypeVar("Opened", bound=Closable)


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
