"""What a fetcher is told by its readers, and what it tells about its work."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferStats:
    """Where the bytes of a session came from.

    Attributes:
        requests: requests sent.
        bytes_received: bytes that came over the network, repeated ones included.
        bytes_cached: bytes that were in the cache when the session opened them.
        retries: requests that broke and were sent again.
        time_to_first_byte: seconds from the first request to its answer; None without one.
    """

    requests: int = 0
    bytes_received: int = 0
    bytes_cached: int = 0
    retries: int = 0
    time_to_first_byte: float | None = None


class Cursor:
    """One reader's place, told to the fetcher. Any thread may call."""

    def __init__(self, changed: Callable[[], None], left: Callable[["Cursor"], None]) -> None:
        self._changed = changed
        self._left = left
        self.position = 0
        # While the position stays within these two, the plan made for it holds.
        self.planned_from = self.planned_to = 0

    def need(self, offset: int) -> None:
        """The reader is about to wait for the byte at `offset`: fetch it before anything else."""
        self.position = offset
        self._changed()

    def advance(self, offset: int) -> None:
        """The reader has read up to `offset`: read-ahead may go on from there."""
        self.position = offset
        if not self.planned_from <= offset < self.planned_to:
            self._changed()

    def close(self) -> None:
        """The reader is gone. Idempotent."""
        self._left(self)
