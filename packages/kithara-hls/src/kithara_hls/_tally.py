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

    def stats(self) -> TransferStats:
        """The counts so far."""
        return TransferStats(
            requests=self.requests,
            bytes_received=self.bytes_received,
            bytes_cached=self.bytes_cached,
        )
