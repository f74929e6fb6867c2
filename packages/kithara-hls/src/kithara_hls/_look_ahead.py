"""How far ahead of its readers a session fetches."""

import asyncio
from collections.abc import Awaitable
from typing import Final

from ._choice import Choice
from ._delivery import Delivery
from ._download import Download
from ._options import HlsOptions
from ._steps import Position
from ._table import PartTable

__all__ = ("LookAhead",)

_BLOCKS: Final = 32  # bytes: what a cipher needs beyond those that are waited for
_AT_FIRST: Final = 2  # at once, until the first one is there: they share the path
_IN_FLIGHT: Final = 1.5  # of what the path carries in a request's latency; 1 would leave it idle


class LookAhead:
    """Says when the next segment may be begun, and when a body is to be held back.

    ``unbounded`` fetches everything, read or not; ``from_time`` is where playing began, in
    seconds. Belongs to the event loop.
    """

    def __init__(
        self, table: PartTable, delivery: Delivery, choice: Choice, options: HlsOptions
    ) -> None:
        self._table = table
        self._delivery = delivery
        self._choice = choice
        self._options = options
        self._held = asyncio.Event()
        self.unbounded = False
        self.from_time = 0.0

    def look_again(self) -> None:
        """Something changed: who is held back may go on."""
        self._held.set()

    def gate(self, download: Download) -> Awaitable[None] | None:
        """Hold a body back while its bytes are too far ahead of what anybody reads.

        What was begun may go on for another look-ahead: servers drop requests that are held back
        for long, and most parts end before that. Its head is let through: it tells the time. So is
        an init section: it is laid as a whole.
        """
        return None if self._may_go_on(download) else self._wait_to_go_on(download)

    async def _wait_to_go_on(self, download: Download) -> None:
        while not self._may_go_on(download):
            self._held.clear()
            await self._held.wait()

    def _may_go_on(self, download: Download) -> bool:
        if self.unbounded or not download.stamped or download.planned.index is None:
            return True
        start = self._delivery.offset_of(download)
        if start is None:
            return True
        at = start + download.received
        furthest = self._table.furthest() + 2 * self._options.look_ahead
        return at < max(furthest, self._table.wanted() + _BLOCKS if self._table.wanted() else 0)

    def has_room(self, position: Position) -> bool:
        """Whether one more segment may be begun."""
        running = [d for d in self._delivery.running() if d.planned.index is not None]
        if len(running) >= self._options.parallel:
            return False
        if self.unbounded:
            return True
        end = self._table.end
        if (
            end is not None
            and not (running or self._delivery.planned)
            and self._table.wanted() > end
        ):
            return True
        if any(d.expected is None for d in running):
            return False
        if len(running) >= _AT_FIRST and not self._delivery.is_under_way:
            return False
        if self._delivery.ahead() >= self._options.look_ahead:
            return False
        duration = float(position.track.times.duration_of(position.index))
        ahead = float(position.start) - max(self._table.heard_time(), self.from_time)
        if ahead > 0 and ahead + duration > self._options.abr.buffer_goal and any(self._delivery):
            return False  # what was left out lies ahead too, but nobody can wait for it to be heard
        return not running or self._may_share(running)

    def _may_share(self, running: list[Download]) -> bool:
        """Whether one more request does not keep waiting what is needed first.

        It does not while the path has room: what is on its way is less than what the path carries
        in the time that a request needs to be answered. More would halve the pace of what is
        needed first just when the path breaks down, and be chosen before that is known.
        """
        left = sum(max(0, (d.expected or 0) - d.received) for d in running)
        return self._choice.seconds_for(left) <= _IN_FLIGHT * self._choice.latency
