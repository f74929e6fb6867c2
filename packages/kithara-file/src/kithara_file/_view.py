"""The file as one reader sees it."""

import threading
from collections.abc import Callable
from time import monotonic

from kithara_assets import CancelToken, ResourceClosed
from kithara_stream import Cancelled, Interrupted, MediaInfo, MediaSpan, WaitOutcome

from ._supply import Bytes, Supply


class View:
    """A `kithara_stream.Source` with a place of its own. Any thread may call."""

    def __init__(
        self,
        supply: Supply,
        media_info: MediaInfo,
        left: Callable[["View"], None],
        served: Callable[[int, float], None],
    ) -> None:
        self._supply = supply
        self._media_info = media_info
        self._place = supply.place()
        self._left = left
        self._served = served
        self._token = CancelToken()
        self._token_lock = threading.Lock()

    @property
    def length(self) -> int | None:
        """Size of the file in bytes; None while unknown."""
        return self._supply.resource.length

    def wait_range(self, start: int, stop: int, timeout: float | None = None) -> WaitOutcome:
        """Block until the bytes [start, min(stop, end)) are there; "eof" at or behind the end."""
        token = self._token  # one for all of the waiting: what interrupts it does so for good
        if token.error is None and 0 < stop - start <= self._supply.resource.available(start):
            return "ready"  # most of all waits
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            resource = self._supply.resource
            try:
                return self._wait_on(resource, start, stop, deadline, token)
            except ResourceClosed as error:
                self._pass_over(resource, error)

    def _wait_on(
        self,
        resource: Bytes,
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
            jumped, began = self._place.need(missing), monotonic()
            if wait(missing, missing + 1) == "eof":
                break
            if jumped:
                self._served(missing, monotonic() - began)
        return wait(start, stop)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Copy what is there from `offset` on; never waits."""
        while True:
            resource = self._supply.resource
            try:
                count = resource.read_into(offset, buffer)
            except ResourceClosed as error:
                self._pass_over(resource, error)
            else:
                self._place.advance(offset + count)
                return count

    def _pass_over(self, resource: Bytes, error: ResourceClosed) -> None:
        """Go on if there is another resource by now, in place of one that was closed.

        The end of this view comes first, also where its resource is gone already.
        """
        if isinstance(self._token.error, Cancelled):
            raise self._token.error from error
        if self._supply.resource is resource:
            raise error

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
