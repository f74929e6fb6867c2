"""Which bytes are in a sink or on their way into it."""

from ._protocols import Sink
from ._transfer import Transfer


class Coverage:
    """Looks at a sink and the transfers into it. `transfers` is the planner's own list."""

    def __init__(self, sink: Sink, transfers: list[Transfer]) -> None:
        self._sink = sink
        self._transfers = transfers

    def gap(self, offset: int) -> int:
        """The first byte from `offset` on that is neither here nor on its way."""
        end = offset
        while True:
            count = self._sink.available(end)
            for transfer in self._transfers:
                if transfer.holds(end):
                    count = max(count, transfer.frontier - end)
            if not count:
                return end
            end += count

    def end(self, transfer: Transfer) -> int | None:
        """Where the body of a transfer is to end; None while the length is not known."""
        return self._sink.length if transfer.stop is None else transfer.stop

    def does_without(self, transfer: Transfer, read_through: int) -> bool:
        """Answer whether all that a body goes on to bring, or much of what is next, comes anyway.

        That is what is here, on its way, or left to another transfer. Needs a known length.
        """
        length, end = self._sink.length, self.end(transfer)
        gap = self.gap(transfer.frontier)
        if length is None or end is None or transfer.frontier in (gap, end):
            return False
        if gap - transfer.frontier > read_through or gap >= end:
            return True
        others = (other for other in self._transfers if not other.leaving)
        return any(other.frontier == gap and (other.stop or length) >= end for other in others)

    def hole_end(self, start: int, read_through: int) -> int | None:
        """Where a request from `start` should stop: None for the end of the resource.

        It reads through what is here already if that is no more than `read_through` bytes.
        """
        length = self._sink.length
        if length is None:
            return None
        stop = start
        while (hole := self._sink.next_hole(stop, length)) is not None:
            stop = hole[1]
            island = self.gap(stop) - stop
            if island > read_through:
                return stop
            stop += island
        return None

    def missing(self) -> int:
        """How many bytes are not in the sink; 0 while the length is not known."""
        count, offset, length = 0, 0, self._sink.length
        while length is not None and (hole := self._sink.next_hole(offset, length)) is not None:
            count += hole[1] - hole[0]
            offset = hole[1]
        return count
