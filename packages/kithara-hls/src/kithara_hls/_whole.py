"""Small writes that are not left halfway."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ("to_the_end",)

Answer = TypeVar("Answer")


async def to_the_end(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Await ``work``; cancelled meanwhile, wait for its end first, so that no thread is left."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
