"""What a fetcher has done so far."""

from ._cursor import TransferStats


class Tally:
    """Counts for `TransferStats`."""

    def __init__(self) -> None:
        self.requests = self.received = self.retries = 0
        self.first_byte: float | None = None

    def answered(self, seconds: float) -> None:
        """A request was answered after so many seconds."""
        if self.first_byte is None:
            self.first_byte = seconds

    def stats(self) -> TransferStats:
        """The counts as a fact."""
        return TransferStats(
            requests=self.requests,
            bytes_received=self.received,
            retries=self.retries,
            time_to_first_byte=self.first_byte,
        )
