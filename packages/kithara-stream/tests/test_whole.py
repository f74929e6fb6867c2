import asyncio

import pytest

from kithara_stream import to_the_end


async def test_work_goes_on_however_often_its_waiter_is_cancelled() -> None:
    done = []

    async def work() -> str:
        for step in range(3):
            await asyncio.sleep(0)
            done.append(step)
        return "done"

    waiting = asyncio.create_task(to_the_end(work()))
    await asyncio.sleep(0)
    while not waiting.done():
        waiting.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done == [0, 1, 2]
    assert await to_the_end(work()) == "done"


async def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        await to_the_end(work())
