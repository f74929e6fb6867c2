"""Bodies that nobody reads give their connections to requests that wait for one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from kithara_net._body import Body

Origin: TypeAlias = tuple[str, str, int | None]

UNREAD_SECONDS = 2.0
"""How long nobody has to ask for the next piece of a body before it gives way."""
_LOOK_SECONDS = 0.25


class Crowd:
    """The open bodies of one client, and who waits while they hold all `limit` connections.

    A body that gave way is broken to its reader, as if the server had dropped it: the rest can be
    asked for by range.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._bodies: dict[Body, Origin] = {}
        self._asking: Counter[Origin] = Counter()

    @property
    def bodies(self) -> list[Body]:
        """All open bodies."""
        return list(self._bodies)

    def add(self, body: Body, origin: Origin) -> None:
        """A body came from an origin."""
        self._bodies[body] = origin

    def discard(self, body: Body) -> None:
        """A body is let go of."""
        self._bodies.pop(body, None)

    @contextmanager
    def asking(self, origin: Origin) -> Iterator[None]:
        """While a request waits for its answer, see to it that there is a connection for it."""
        self._asking[origin] += 1
        looking = _Looking(lambda: self._make_room(origin)) if self._is_crowded(origin) else None
        try:
            yield
        finally:
            self._asking[origin] -= 1
            if looking is not None:
                looking.close()

    def _from(self, origin: Origin) -> list[Body]:
        return [body for body, of in self._bodies.items() if of == origin and body.connected]

    def _is_crowded(self, origin: Origin) -> bool:
        if self._limit is None or len(self._bodies) + self._asking[origin] <= self._limit:
            return False
        return len(self._from(origin)) + self._asking[origin] > self._limit

    def _make_room(self, origin: Origin) -> None:
        if not self._is_crowded(origin):
            return
        unread = max(self._from(origin), key=lambda body: body.unread_seconds, default=None)
        if unread is not None and unread.unread_seconds >= UNREAD_SECONDS:
            unread.give_way()


class _Looking:
    """Calls something now, and again and again until it is closed."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._loop = asyncio.get_running_loop()
        self._again()

    def close(self) -> None:
        self._timer.cancel()

    def _again(self) -> None:
        self._look()
        self._timer = self._loop.call_later(_LOOK_SECONDS, self._again)
