"""A session for programs that have no event loop."""

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from kithara_stream import LoopThread, MediaInfo, Reader, Source, Subscription, TransferStats

from ._events import FileEvent
from ._session import FileSession


class SyncFileSession:
    """An open file on an event loop of its own, which runs in a thread until `close`.

    Made by `FileSource.open_sync`; a context manager. Everything may be called from any thread.
    """

    def __init__(self, loop: LoopThread, session: FileSession) -> None:
        self._loop = loop
        self._session = session
        self._closed = False

    @property
    def length(self) -> int | None:
        """Size of the file in bytes; None while unknown."""
        return self._session.length

    @property
    def media_info(self) -> MediaInfo:
        """What the headers and the first bytes say that it is."""
        return self._session.media_info

    @property
    def stats(self) -> TransferStats:
        """Requests, bytes from the network, bytes that were in the cache."""
        return self._session.stats

    def source(self) -> Source:
        """The bytes as one more reader sees them."""
        return self._session.source()

    def reader(self) -> Reader:
        """A file object over `source()`; closing it leaves the session open."""
        return self._session.reader()

    def events(self) -> Iterator[FileEvent]:
        """What happened and what happens; blocks for the next one, ends when the session closes."""

        async def subscribe() -> Subscription[FileEvent]:
            return self._session.events()

        async def following(events: Subscription[FileEvent]) -> FileEvent | None:
            return await anext(events, None)

        events = self._loop.run(subscribe())
        while (event := self._loop.run(following(events))) is not None:
            yield event

    def wait_complete(self) -> None:
        """Fetch all that is missing and wait for it; raises as `FileSession.wait_complete`."""
        self._loop.run(self._session.wait_complete())

    def pause(self) -> None:
        """Read ahead no more until `resume`; what a reader waits for is fetched still."""

        async def pause() -> None:
            self._session.pause()

        self._loop.run(pause())

    def resume(self) -> None:
        """Read ahead again."""

        async def resume() -> None:
            self._session.resume()

        self._loop.run(resume())

    def close(self) -> None:
        """Wake the readers, end the requests and the loop. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            self._loop.run(self._session.aclose())
        finally:
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
