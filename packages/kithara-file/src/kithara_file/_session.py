"""One open file: what readers, watchers and waiters of it share."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import TracebackType
from typing import Self

from kithara_assets import CancelToken, ResourceClosed, StreamingResource
from kithara_stream import (
    Cancelled,
    Cursor,
    EventChannel,
    Fetcher,
    Interrupted,
    MediaInfo,
    MediaSpan,
    Reader,
    Source,
    Subscription,
    TransferStats,
    WaitOutcome,
)

from ._events import Complete, Failed, FileEvent


class FileSession:
    """An open file; made by `FileSource.open`. An async context manager.

    Readers are synchronous file objects and belong in other threads than the event loop.
    Closing wakes each blocked reader with `Cancelled`.
    """

    def __init__(
        self,
        resource: StreamingResource,
        fetcher: Fetcher | None,
        media_info: MediaInfo,
        channel: EventChannel[FileEvent],
        cached: int,
    ) -> None:
        self._resource = resource
        self._fetcher = fetcher
        self._media_info = media_info
        self._channel = channel
        self._cached = cached
        self._views: set[_View] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._watcher = asyncio.create_task(self._watch()) if fetcher is not None else None

    @property
    def length(self) -> int | None:
        """Size of the file in bytes; None while unknown."""
        return self._resource.length

    @property
    def media_info(self) -> MediaInfo:
        """What the headers and the first bytes say that it is."""
        return self._media_info

    @property
    def stats(self) -> TransferStats:
        """Requests, bytes from the network, bytes that were in the cache."""
        received = TransferStats() if self._fetcher is None else self._fetcher.stats
        return TransferStats(
            requests=received.requests,
            bytes_received=received.bytes_received,
            bytes_cached=self._cached,
        )

    def source(self) -> Source:
        """The bytes as one more reader sees them. Any thread may call."""
        cursor = None if self._fetcher is None else self._fetcher.cursor()
        view = _View(self._resource, self._media_info, cursor, self._left)
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
        if self._fetcher is not None:
            await self._fetcher.wait_complete()
        else:
            length = self._resource.length
            stop = self._resource.available(0) + 1 if length is None else length
            await self._resource.wait_range_async(0, stop)

    async def aclose(self) -> None:
        """Wake the readers, end the requests, let the resource go. Idempotent."""
        with self._lock:
            self._closed = True
            views = list(self._views)
        for view in views:
            view.close()
        try:
            if self._fetcher is not None:
                await self._fetcher.aclose()
            if self._watcher is not None:
                await asyncio.wait([self._watcher])
        finally:
            self._resource.close()
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

    def _left(self, view: "_View") -> None:
        with self._lock:
            self._views.discard(view)

    async def _watch(self) -> None:
        """Tell the watchers how the fetching ended."""
        assert self._fetcher is not None
        error = await self._fetcher.ended()
        if error is None:
            length = self._resource.length or 0
            self._channel.publish(Complete(length=length, media_info=self._media_info))
        elif not isinstance(error, Cancelled):
            self._channel.publish(Failed(error=error))


class _View:
    """The file as one reader sees it: a `Source` with a place of its own."""

    def __init__(
        self,
        resource: StreamingResource,
        media_info: MediaInfo,
        cursor: Cursor | None,
        left: Callable[["_View"], None],
    ) -> None:
        self._resource = resource
        self._media_info = media_info
        self._cursor = cursor
        self._left = left
        self._token = CancelToken()
        self._token_lock = threading.Lock()

    @property
    def length(self) -> int | None:
        return self._resource.length

    def wait_range(self, start: int, stop: int, timeout: float | None = None) -> WaitOutcome:
        deadline = None if timeout is None else monotonic() + timeout
        token = self._token  # one for all of the waiting: what interrupts it does so for good
        with self._cancelled_if_closed():
            # Hole by hole: more may be wanted than what is read ahead of a place.
            while self._cursor is not None:
                missing = start + self._resource.available(start)
                if missing >= stop:
                    break
                self._cursor.need(missing)
                if self._wait(missing, missing + 1, deadline, token) == "eof":
                    break
            return self._wait(start, stop, deadline, token)

    def _wait(
        self, start: int, stop: int, deadline: float | None, token: CancelToken
    ) -> WaitOutcome:
        left = None if deadline is None else deadline - monotonic()
        return self._resource.wait_range(start, stop, left, token)

    @contextmanager
    def _cancelled_if_closed(self) -> Iterator[None]:
        """The end of this view comes first, also where its resource is gone already."""
        try:
            yield
        except ResourceClosed as error:
            if not isinstance(self._token.error, Cancelled):
                raise
            raise self._token.error from error

    def read_into(self, offset: int, buffer: memoryview) -> int:
        with self._cancelled_if_closed():
            count = self._resource.read_into(offset, buffer)
        if self._cursor is not None:
            self._cursor.advance(offset + count)
        return count

    def span_at(self, offset: int) -> MediaSpan | None:
        if self.length is None:
            self.wait_range(offset, offset + 1)
        if self.length is not None and offset >= self.length:
            return None
        return MediaSpan(start=0, stop=self.length, media_info=self._media_info)

    def interrupt(self) -> None:
        with self._token_lock:
            self._token.cancel(Interrupted("the reader"))

    def proceed(self) -> None:
        with self._token_lock:
            if isinstance(self._token.error, Interrupted):
                self._token = CancelToken()

    def close(self) -> None:
        with self._token_lock:
            if isinstance(self._token.error, Interrupted):
                self._token = CancelToken()
            self._token.cancel(Cancelled("the reader"))
        if self._cursor is not None:
            self._cursor.close()
        self._left(self)
