"""Lets the tasks of a loop that all could go on do so one by one."""

import asyncio
from collections import deque
from weakref import WeakKeyDictionary


class Turns:
    """One turn for each round of a loop, first come first served. On that loop only.

    Who waited uses its turn in the round after, in which somebody new may take another.
    """

    def __init__(self) -> None:  # and does not keep the loop, which is its key below, alive
        self._taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Go on at once if nobody did in this round of the loop, else in a later one."""
        if not self._taken:
            self._give()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _give(self) -> None:
        self._taken = True
        asyncio.get_running_loop().call_soon(self._begin_round)

    def _begin_round(self) -> None:
        self._taken = False
        while self._waiting and not self._taken:
            turn = self._waiting.popleft()
            if not turn.done():  # it was not cancelled
                self._give()
                turn.set_result(None)


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


async def turn() -> None:
    """Wait until this task may hold the loop for a moment; one or two do in each of its rounds.

    Await it before a piece of work of about a millisecond that hundreds of tasks may come to at
    the same time: what else runs on the loop runs between them.
    """
    loop = asyncio.get_running_loop()
    turns = _turns.get(loop)
    if turns is None:
        turns = _turns[loop] = Turns()
    await turns.take()
