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

    def ahead_of(self, transfer: Transfer, read_through: int) -> bool:
        """Answer whether a request would bring nothing new, or only behind much that is here."""
        if transfer.frontier == transfer.stop:
            return False
        if any(other.overtook(transfer) for other in self._transfers):
            return True
        count = self._sink.available(transfer.frontier)
        end = self._sink.length if transfer.stop is None else transfer.stop
        return count > read_through or (count > 0 and transfer.frontier + count == end)

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
