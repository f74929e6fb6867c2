"""What happens to a track, for synchronous and asynchronous watchers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self, TypeAlias

from kithara_file import FileEvent
from kithara_hls import HlsEvent
from kithara_stream import LoopThread, Subscription

TrackEvent: TypeAlias = FileEvent | HlsEvent
"""Whatever the session behind a track tells: the events of kithara-file or of kithara-hls."""


class Events:
    """The events of a track so far, and then as they happen; ends when the track is closed.

    Iterate with `async for` on the loop of the track, or with `for` in a thread of your own where
    `kithara.open` made the track.
    """

    def __init__(
        self,
        subscription: Subscription[FileEvent] | Subscription[HlsEvent],
        loop: LoopThread | None,
    ) -> None:
        self._subscription = subscription
        self._loop = loop

    def __iter__(self) -> Self:
        if self._loop is None:
            raise RuntimeError("this track belongs to a running loop; iterate with `async for`")
        return self

    def __next__(self) -> TrackEvent:
        assert self._loop is not None, "iterated without iter()"
        try:
            event = self._loop.run(self._next())
        except (asyncio.CancelledError, RuntimeError):
            event = None  # the track was closed meanwhile, and its loop with it
        if event is None:
            raise StopIteration
        return event

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TrackEvent:
        event = await self._next()
        if event is None:
            raise StopAsyncIteration
        return event

    def close(self) -> None:
        """Watch no longer; what has arrived can still be read. Idempotent."""
        if self._loop is None:
            self._subscription.close()
        else:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and so has this
                self._loop.loop.call_soon_threadsafe(self._subscription.close)

    async def _next(self) -> TrackEvent | None:
        with contextlib.suppress(StopAsyncIteration):
            return await anext(self._subscription)
        return None
