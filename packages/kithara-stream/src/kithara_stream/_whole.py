"""Work that is not left halfway, however often its waiter is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

Answer = TypeVar("Answer")


async def to_the_end(work: Coroutine[object, None, Answer]) -> Answer:
    """Await `work`; who is cancelled meanwhile waits for its end first, and then is.

    asyncio cancels a task once. The scopes of anyio, and so Starlette and FastAPI, cancel it again
    at every await until they are left, which would cut short what tidies up.
    """
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
