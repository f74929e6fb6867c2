"""One open file: what readers, watchers and waiters of it share."""

import asyncio
import threading
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
)

from ._download import Download
from ._events import Changed, Complete, Failed, FileEvent
from ._view import View


class FileSession:
    """An open file; made by `FileSource.open`. An async context manager.

    Readers are synchronous file objects and belong in other threads than the event loop.
    Closing wakes each blocked reader with `Cancelled`.
    """

    def __init__(
        self,
        download: Download,
        media_info: MediaInfo,
        channel: EventChannel[FileEvent],
    ) -> None:
        self._download = download
        self._media_info = media_info
        self._channel = channel
        self._views: set[View] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._watcher: asyncio.Task[None] | None = None
        if download.busy:
            self._watcher = asyncio.create_task(self._watch())
        else:
            self._tell(download.outcome)

    @property
    def length(self) -> int | None:
        """Size of the file in bytes; None while unknown."""
        return self._download.resource.length

    @property
    def media_info(self) -> MediaInfo:
        """What the headers and the first bytes say that it is."""
        return self._media_info

    @property
    def stats(self) -> TransferStats:
        """Requests, bytes from the network, bytes that were in the cache."""
        return self._download.stats

    def source(self) -> Source:
        """The bytes as one more reader sees them. Any thread may call."""
        view = View(self._download, self._media_info, self._left)
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

    async def wait_complete(self) -> None:
        """Fetch all that is missing and wait until the file is complete in the cache.

        Raises what went wrong: an error of net (`ContentChanged` too) or storage, `OfflineMiss`,
        or `Cancelled` if the session is closed meanwhile.
        """
        await self._download.wait_complete()

    async def aclose(self) -> None:
        """Wake the readers, end the requests, let the resource go. Idempotent."""
        with self._lock:
            self._closed = True
            views = list(self._views)
        for view in views:
            view.close()
        try:
            await self._download.aclose()
            if self._watcher is not None:
                await asyncio.wait([self._watcher])
        finally:
            self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _left(self, view: View) -> None:
        with self._lock:
            self._views.discard(view)

    async def _watch(self) -> None:
        """Tell the watchers how the fetching ended."""
        self._tell(await self._download.ended())

    def _tell(self, error: Exception | None) -> None:
        if error is None:
            length = self._download.resource.length or 0
            self._channel.publish(Complete(length=length, media_info=self._media_info))
        elif not isinstance(error, Cancelled):
            if isinstance(error, ContentChanged):
                self._channel.publish(Changed(error=error, reading="old"))
            self._channel.publish(Failed(error=error))
