"""One open file: what readers, watchers and waiters of it share."""

import asyncio
import threading
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from kithara_net import ContentChanged
from kithara_stream import (
    Cancelled,
    EventChannel,
    MediaInfo,
    Reader,
    Source,
    Subscription,
    TransferStats,
    to_the_end,
)

from ._events import Changed, Complete, Failed, FileEvent, MediaKnown, SeekServed
from ._supply import Supply
from ._view import View


class FileSession:
    """An open file; made by `FileSource.open`. An async context manager.

    Readers are synchronous file objects and belong in other threads than the event loop.
    Closing wakes each blocked reader with `Cancelled`.
    """

    def __init__(
        self,
        supply: Supply,
        media_info: MediaInfo,
        channel: EventChannel[FileEvent],
        owned: AsyncExitStack,
    ) -> None:
        self._supply = supply
        self._media_info = media_info
        self._channel = channel
        self._owned = owned
        self._loop = asyncio.get_running_loop()
        channel.publish(MediaKnown(media_info=media_info, length=supply.resource.length))
        self._views: set[View] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._watcher: asyncio.Task[None] | None = None
        if supply.busy:
            self._watcher = asyncio.create_task(self._watch())
        else:
            self._tell(supply.outcome)

    @property
    def length(self) -> int | None:
        """Size of the file in bytes; None while unknown."""
        return self._supply.resource.length

    @property
    def media_info(self) -> MediaInfo:
        """What the headers and the first bytes say that it is."""
        return self._media_info

    @property
    def stats(self) -> TransferStats:
        """Requests, bytes from the network, bytes that were in the cache."""
        return self._supply.stats

    def source(self) -> Source:
        """The bytes as one more reader sees them. Any thread may call."""
        view = View(self._supply, self._media_info, self._left, self._served)
        with self._lock:
            closed = self._closed
            self._views.add(view)
        if closed:
            view.close()
        return view

    def reader(self) -> Reader:
        """A file object over `source()`; closing it leaves the session open."""
        return Reader(self.source())

    def events(self) -> Subscription[FileEvent]:
        """What happened and what happens; ends when the session closes. On the event loop only."""
        return self._channel.subscribe()

    def pause(self) -> None:
        """Read ahead no more until `resume`; what a reader waits for is fetched still.

        On the event loop only, as `resume`.
        """
        self._supply.pause()

    def resume(self) -> None:
        """Read ahead again."""
        self._supply.resume()

    async def wait_complete(self) -> None:
        """Fetch all that is missing and wait until the file is complete in the cache.

        Raises what went wrong: an error of net (`ContentChanged` too) or storage (`DiskFull`, if
        all of it came but some found no room and is in memory only), `OfflineMiss`,
        or `Cancelled` if the session is closed meanwhile.
        """
        await self._supply.wait_complete()

    async def aclose(self) -> None:
        """Wake the readers, end the requests, let the resource go. Idempotent.

        Done to the end, however often who waits for it is cancelled.
        """
        await to_the_end(self._end())

    async def _end(self) -> None:
        with self._lock:
            self._closed = True
            views = list(self._views)
        for view in views:
            view.close()
        try:
            await self._supply.aclose()
            if self._watcher is not None:
                await asyncio.wait([self._watcher])
        finally:
            self._channel.close()
            await self._owned.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _served(self, offset: int, seconds: float) -> None:
        event = SeekServed(offset=offset, seconds=seconds)
        self._channel.publish_soon(self._loop, event)

    def _left(self, view: View) -> None:
        with self._lock:
            self._views.discard(view)

    async def _watch(self) -> None:
        """Tell the watchers how the fetching ended."""
        self._tell(await self._supply.ended())

    def _tell(self, error: Exception | None) -> None:
        if error is None:
            length = self._supply.resource.length or 0
            self._channel.publish(Complete(length=length, media_info=self._media_info))
        elif not isinstance(error, Cancelled):
            if isinstance(error, ContentChanged):
                self._channel.publish(Changed(error=error, reading="old"))
            self._channel.publish(Failed(error=error))
