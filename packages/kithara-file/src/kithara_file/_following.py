"""Whether another session or process brings what the readers of this one wait for."""

import asyncio
import threading
from collections.abc import Iterable
from time import monotonic

from kithara_assets import StreamingResource

from ._body import SNIFF_SIZE
from ._place import Place

FIRST_PATIENCE = 3.0
"""Seconds that a session waits for the first bytes of another one, before it asks itself."""
PATIENCE = 1.0
"""Seconds that a reader waits for bytes near which some arrive, before it helps itself."""
REACH = 1024 * 1024
"""Bytes: how far behind the place where bytes arrive a reader may wait for them."""
_COPIED_AT_ONCE = 256 * 1024


class Following:
    """Watches where bytes arrive in a resource that somebody else fills."""

    def __init__(self, resource: StreamingResource) -> None:
        self._resource = resource
        self._lock = threading.Lock()
        self._edges: dict[int, float] = {}
        self._began = monotonic()
        resource.observe(self._grew)

    def close(self) -> None:
        """Watch no more."""
        self._resource.unobserve(self._grew)

    def _grew(self, start: int, stop: int) -> None:
        now = monotonic()
        with self._lock:
            self._edges.pop(start, None)
            self._edges[stop] = now
            if len(self._edges) > 16:
                del self._edges[min(self._edges, key=self._edges.__getitem__)]

    def patience(self, place: Place) -> float | None:
        """Seconds until this reader should help itself; None while it lacks nothing."""
        since, position = place.waiting_since, place.position
        if since is None or self._resource.available(position):
            return None
        return self._left_for(position, since)

    def patience_for_all(self) -> float:
        """Seconds until somebody who wants all of it should help himself."""
        return self._left_for(self._resource.available(0), self._began)

    def _left_for(self, position: int, since: float) -> float:
        with self._lock:
            near = [
                when for edge, when in self._edges.items() if position - REACH <= edge <= position
            ]
        if not near and position > REACH:
            return 0.0
        return max(since, *near, self._began) + PATIENCE - monotonic()


async def begins(resource: StreamingResource) -> bool:
    """Wait for the beginning from who leads; False if he does not bring it."""
    leading = asyncio.create_task(resource.lead())
    first = asyncio.create_task(resource.wait_range_async(0, SNIFF_SIZE))
    tasks = {leading, first}
    try:
        await asyncio.wait(tasks, timeout=FIRST_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    if first.cancelled():
        return False
    if (error := first.exception()) is not None:
        raise error
    return True


async def copy(source: StreamingResource, target: StreamingResource) -> None:
    """Copy what `target` lacks, also what comes into `source` before the copy has come by."""
    if source.length is not None:
        target.set_length(source.length)
    at = 0
    while True:
        stop = at + source.available(at) if source.length is None else source.length
        lacking = target.next_hole(at, stop)
        if lacking is None:
            break
        at, stop = lacking
        if piece := source.read_at(at, min(_COPIED_AT_ONCE, stop - at)):
            await target.write_at(at, piece)
            at += len(piece)
        elif (hole := source.next_hole(at, stop)) is not None and hole[0] == at:
            at = hole[1]
    await target.flush()


async def wait_while(event: asyncio.Event, seconds: float | None) -> None:
    """Wait for an event, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
    event.clear()


def soonest(times: Iterable[float | None]) -> float | None:
    """The least of those that are there."""
    return min((time for time in times if time is not None), default=None)
