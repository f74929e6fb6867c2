"""The file as one reader sees it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from kithara_assets import CancelToken, ResourceClosed, StreamingResource
from kithara_stream import Cancelled, Interrupted, MediaInfo, MediaSpan, WaitOutcome

from ._download import Download


class View:
    """A `kithara_stream.Source` with a place of its own. Any thread may call."""

    def __init__(
        self, download: Download, media_info: MediaInfo, left: Callable[["View"], None]
    ) -> None:
        self._download = download
        self._media_info = media_info
        self._place = download.place()
        self._left = left
        self._token = CancelToken()
        self._token_lock = threading.Lock()

    @property
    def length(self) -> int | None:
        """Size of the file in bytes; None while unknown."""
        return self._download.resource.length

    def wait_range(self, start: int, stop: int, timeout: float | None = None) -> WaitOutcome:
        """Block until the bytes [start, min(stop, end)) are there; "eof" at or behind the end."""
        deadline = None if timeout is None else monotonic() + timeout
        token = self._token  # one for all of the waiting: what interrupts it does so for good
        while True:
            with self._on_the_resource() as resource:
                return self._wait_on(resource, start, stop, deadline, token)

    def _wait_on(
        self,
        resource: StreamingResource,
        start: int,
        stop: int,
        deadline: float | None,
        token: CancelToken,
    ) -> WaitOutcome:
        def wait(start: int, stop: int) -> WaitOutcome:
            left = None if deadline is None else deadline - monotonic()
            return resource.wait_range(start, stop, left, token)

        # Hole by hole: more may be wanted than what is read ahead of a place.
        while (missing := start + resource.available(start)) < stop:
            self._place.need(missing)
            if wait(missing, missing + 1) == "eof":
                break
        return wait(start, stop)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Copy what is there from `offset` on; never waits."""
        while True:
            with self._on_the_resource() as resource:
                count = resource.read_into(offset, buffer)
                self._place.advance(offset + count)
                return count

    @contextmanager
    def _on_the_resource(self) -> Iterator[StreamingResource]:
        """Lend the resource; passes over its end if there is another one by then.

        The end of this view comes first, also where its resource is gone already.
        """
        resource = self._download.resource
        try:
            yield resource
        except ResourceClosed as error:
            if isinstance(self._token.error, Cancelled):
                raise self._token.error from error
            if self._download.resource is resource:
                raise

    def span_at(self, offset: int) -> MediaSpan | None:
        """All of the file; None at or behind its end. Waits where only bytes can tell."""
        if self.length is None:
            self.wait_range(offset, offset + 1)
        if self.length is not None and offset >= self.length:
            return None
        return MediaSpan(start=0, stop=self.length, media_info=self._media_info)

    def interrupt(self) -> None:
        """Make blocked and later waits raise `Interrupted` until `proceed`. Idempotent."""
        with self._token_lock:
            self._token.cancel(Interrupted("the reader"))

    def proceed(self) -> None:
        """Let waits wait again. Idempotent."""
        with self._token_lock:
            if isinstance(self._token.error, Interrupted):
                self._token = CancelToken()

    def close(self) -> None:
        """Wake blocked waits with `Cancelled`. Idempotent."""
        with self._token_lock:
            if isinstance(self._token.error, Interrupted):
                self._token = CancelToken()
            self._token.cancel(Cancelled("the reader"))
        self._place.close()
        self._left(self)
