"""Noticing that a body has gone silent, at no cost per piece."""

from __future__ import annotations

import asyncio

import aiohttp


class StallWatch:
    """Makes a wait for bytes that lasts longer than `seconds` raise `TimeoutError`.

    One timer serves all waits: it looks when the last one began, instead of being set anew for
    each. Between `end` and `begin` the time does not count.
    """

    def __init__(self, content: aiohttp.StreamReader, seconds: float) -> None:
        self._content = content
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._seen = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Somebody waits for bytes from now on."""
        self._since = self._loop.time()
        self._seen = self._content.total_bytes
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)

    def end(self) -> None:
        """Nobody waits any more."""
        self._since = None

    def close(self) -> None:
        """Never look again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._since is None:
            return
        left = self._since + self._seconds - self._loop.time()
        if self._content.total_bytes != self._seen:
            # The bytes are there, and whoever waits is about to take them.
            left = self._seconds
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._content.set_exception(TimeoutError())
