"""One request under way, and how far its body has come."""

import asyncio
import math

from ._protocols import OriginHead


class Transfer:
    """The bytes [start, frontier) have been handed to the sink; the body goes on to `stop`."""

    def __init__(self, start: int, stop: int | None) -> None:
        self.start = start
        self.stop = stop
        self.frontier = start
        self.answered = False
        self.ended = False
        self.filling_from: int | None = None
        self.was_held = False
        self.leaving = False
        self.task: asyncio.Task[None] | None = None
        self._limit: float = math.inf
        self._wanted = asyncio.Event()

    def cancel(self) -> None:
        """End the request; what it brought stays."""
        self.leaving = True
        if self.task is not None:
            self.task.cancel()

    def answer(self, head: OriginHead) -> None:
        """The body begins where the server says; an ignored range begins at 0."""
        if head.start != self.start or not head.accepts_ranges:
            self.stop = None
        self.start = self.frontier = head.start
        self.answered = True

    def allow(self, limit: float, slack: int) -> None:
        """Read on up to `limit`; a body that is held back goes on once `slack` bytes are free."""
        self._limit = limit
        if self.frontier + slack <= limit:
            self._wanted.set()

    async def until_wanted(self, length: int | None, patience: float | None) -> bool:
        """Hold the socket back while the frontier is at the limit, short of the body's end.

        Answers whether it had to. It is `leaving` if nobody wanted more for `patience` seconds.
        """
        if not self.idle or self.frontier in (self.stop, length):
            return False
        self.was_held = True
        self._wanted.clear()
        try:
            async with asyncio.timeout(patience):
                await self._wanted.wait()
        except TimeoutError:
            self.leaving = True
        return True

    @property
    def idle(self) -> bool:
        """Whether nobody wanted more of this body when the plan was last made."""
        return self.answered and self.frontier >= self._limit

    def holds(self, offset: int) -> bool:
        """Answer whether this transfer has brought the byte at `offset`."""
        return self.start <= offset < self.frontier

    def reaches(self, offset: int, distance: float) -> bool:
        """Answer whether the byte at `offset` is at most `distance` ahead in this body."""
        ahead = offset - self.frontier
        return 0 <= ahead <= distance and (self.stop is None or offset < self.stop)
