"""Counting what a session transfers."""

from dataclasses import dataclass

from kithara_stream import TransferStats

__all__ = ("Tally",)


@dataclass(slots=True)
class Tally:
    """The running counts behind a session's TransferStats. Belongs to the event loop."""

    requests: int = 0
    bytes_received: int = 0
    bytes_cached: int = 0
    retries: int = 0
    first_byte: float | None = None

    def answered(self, seconds: float) -> None:
        """A request was answered after so many seconds."""
        if self.first_byte is None:
            self.first_byte = seconds

    def stats(self) -> TransferStats:
        """The counts so far."""
        return TransferStats(
            requests=self.requests,
            bytes_received=self.bytes_received,
            bytes_cached=self.bytes_cached,
            retries=self.retries,
            time_to_first_byte=self.first_byte,
        )
