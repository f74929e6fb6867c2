"""One reader's place, whoever brings the bytes at the moment."""

import threading
from collections.abc import Callable
from time import monotonic

from kithara_stream import Cursor, Fetcher


class Place:
    """Tells the fetcher where a reader is, as soon as there is a fetcher. Any thread may call."""

    def __init__(self, wake: Callable[[], None], left: Callable[["Place"], None]) -> None:
        self._wake = wake
        self._left = left
        self._lock = threading.Lock()
        self._cursor: Cursor | None = None
        self._closed = False
        self.position = 0
        self.waiting_since: float | None = None
        """When it began to wait for the byte at its position; None while it does not wait."""

    def need(self, offset: int) -> bool:
        """The reader is about to wait for the byte at `offset`; answers whether it jumped there."""
        jumped = offset != self.position
        self.position = offset
        self.waiting_since = monotonic()
        if (cursor := self._cursor) is not None:
            cursor.need(offset)
        else:
            self._wake()
        return jumped

    def advance(self, offset: int) -> None:
        """The reader has read up to `offset`."""
        self.position = offset
        self.waiting_since = None
        if (cursor := self._cursor) is not None:
            cursor.advance(offset)

    def attach(self, fetcher: Fetcher) -> None:
        """From now on `fetcher` brings the bytes."""
        with self._lock:
            if self._closed:
                return
            self._cursor = cursor = fetcher.cursor()
        cursor.need(self.position)

    def close(self) -> None:
        """The reader is gone. Idempotent."""
        with self._lock:
            self._closed = True
            cursor = self._cursor
        if cursor is not None:
            cursor.close()
        self._left(self)
