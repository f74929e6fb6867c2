"""Bodies that nobody reads give their connections to requests that wait for one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
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
        self._looking: dict[Origin, asyncio.TimerHandle] = {}

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
        if self._lacking(origin):
            self._make_room(origin)
            if origin not in self._looking:
                self._look_later(origin)
        try:
            yield
        finally:
            self._asking[origin] -= 1
            if not self._asking[origin] and origin in self._looking:
                self._looking.pop(origin).cancel()

    def _look_later(self, origin: Origin) -> None:
        loop = asyncio.get_running_loop()
        self._looking[origin] = loop.call_later(_LOOK_SECONDS, self._look, origin)

    def _look(self, origin: Origin) -> None:
        del self._looking[origin]
        if self._lacking(origin):
            self._make_room(origin)
            self._look_later(origin)

    def _from(self, origin: Origin) -> list[Body]:
        return [body for body, of in self._bodies.items() if of == origin and body.connected]

    def _lacking(self, origin: Origin) -> int:
        """How many requests wait for a connection that a body holds."""
        asking = self._asking[origin]
        if self._limit is None or len(self._bodies) + asking <= self._limit:
            return 0
        return max(0, len(self._from(origin)) + asking - self._limit)

    def _make_room(self, origin: Origin) -> None:
        bodies = sorted(self._from(origin), key=lambda body: body.unread_seconds, reverse=True)
        for body in bodies[: self._lacking(origin)]:
            if body.unread_seconds >= UNREAD_SECONDS:
                body.give_way()
