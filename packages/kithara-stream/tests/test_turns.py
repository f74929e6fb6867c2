import asyncio
import gc
import weakref
from itertools import pairwise

import pytest

from kithara_stream import turn


class Rounds:
    """Counts the rounds of the running loop."""

    def __init__(self) -> None:
        self.count = 0
        self._loop = asyncio.get_running_loop()
        self._handle = self._loop.call_soon(self._next)

    def _next(self) -> None:
        self.count += 1
        self._handle = self._loop.call_soon(self._next)

    def stop(self) -> None:
        self._handle.cancel()


async def test_one_goes_on_in_each_round_in_order() -> None:
    rounds, went = Rounds(), list[tuple[int, int]]()

    async def work(number: int) -> None:
        await turn()
        went.append((rounds.count, number))

    await asyncio.gather(*map(work, range(50)))
    rounds.stop()
    assert [number for _, number in went] == list(range(50))
    # The first one went at once, before the round in which the others are woken.
    steps = {later - before for (before, _), (later, _) in pairwise(went[1:])}
    assert steps == {1}  # one in each, and no round is lost


async def test_who_is_alone_goes_on_at_once() -> None:
    rounds = Rounds()
    await turn()
    assert rounds.count == 0
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    before = rounds.count
    await turn()
    assert rounds.count == before
    rounds.stop()


async def test_who_is_cancelled_keeps_nobody() -> None:
    went = list[int]()

    async def work(number: int) -> None:
        await turn()
        went.append(number)

    tasks = [asyncio.create_task(work(number)) for number in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    tasks[2].cancel()
    async with asyncio.timeout(5):
        await tasks[3]
    assert went == [0, 3]
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]


def test_each_loop_has_its_own() -> None:
    async def leave_one_waiting() -> None:
        await turn()
        waiting = asyncio.create_task(turn())
        await asyncio.sleep(0)
        waiting.cancel()

    for _ in range(2):
        asyncio.run(leave_one_waiting())


def test_a_loop_that_is_over_is_forgotten() -> None:
    async def go() -> "weakref.ref[asyncio.AbstractEventLoop]":
        await asyncio.gather(turn(), turn(), turn())
        return weakref.ref(asyncio.get_running_loop())

    over = asyncio.run(go())
    gc.collect()
    assert over() is None
