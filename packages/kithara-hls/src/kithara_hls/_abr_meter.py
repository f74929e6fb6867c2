"""Measuring a path that several transfers share: bytes of all of them over the time any flows."""

from typing import Final

from ._abr_protocol import DownloadSample

__all__ = ("Transfer", "TransferMeter")

_SHORTEST: Final = 0.05  # seconds; less says more about packets in a queue than about the rate


class TransferMeter:
    """Turns transfers, parallel ones too, into samples of the whole path. Has no clock.

    All times are the caller's, of one monotonic clock, and never go back. Only transfers over
    the network are reported here; what the cache serves is not.

    The piece with which an idle path begins to flow was on its way before its clock ran, so it
    does not count, unless all came at once: such a sample is a burst.
    """

    def __init__(self) -> None:
        self._flowing = 0
        self._counted_to = 0.0
        self._busy = 0.0
        self._size = 0
        self._unclocked = 0

    def start(self, now: float) -> "Transfer":
        """A request was sent."""
        return Transfer(self, now, alone=not self._flowing)

    def so_far(self, now: float) -> DownloadSample | None:
        """What flowed since the last sample, for who decides before a transfer ends.

        None if that is too little to tell.
        """
        self._advance(now)
        return self._sample(None) if self._busy >= _SHORTEST and self._size else None

    def _advance(self, now: float) -> None:
        if self._flowing:
            self._busy += max(0.0, now - self._counted_to)
        self._counted_to = max(now, self._counted_to)

    def _began(self, size: int, now: float) -> None:
        self._advance(now)
        if not self._flowing:
            self._unclocked += size
        self._flowing += 1

    def _received(self, size: int, now: float) -> None:
        self._advance(now)
        self._size += size

    def _ended(self, now: float, ttfb: float | None) -> DownloadSample | None:
        self._advance(now)
        self._flowing -= 1
        if self._flowing and self._busy < _SHORTEST:
            return None  # the transfers that go on tell it with theirs
        return self._sample(ttfb)

    def _sample(self, ttfb: float | None) -> DownloadSample:
        burst = self._busy < _SHORTEST
        size = self._size - (0 if burst else self._unclocked)
        sample = DownloadSample(size=size, seconds=self._busy, ttfb=ttfb, burst=burst)
        self._size, self._unclocked, self._busy = 0, 0, 0.0
        return sample


class Transfer:
    """One request, from its sending to its last byte; made by `TransferMeter.start`."""

    def __init__(self, meter: TransferMeter, now: float, *, alone: bool) -> None:
        self._meter = meter
        self._asked = now
        self._alone = alone
        self._received = 0
        self._first: float | None = None
        self._over = False

    def received(self, size: int, now: float) -> None:
        """Bytes of the body came; the first call marks the first byte."""
        if self._over:
            return
        if self._first is None:
            self._first = now
            self._meter._began(size, now)
        self._received += size
        self._meter._received(size, now)

    def end(self, now: float) -> DownloadSample | None:
        """It is over, complete, failed or abandoned: what to feed the rule, if anything.

        The sample has the bytes of all transfers since the last one, and no time to first byte
        if the answer may have waited behind another. None if it had no body, was ended before, or
        if too little time passed to tell: later samples then carry the bytes.
        """
        if self._over:
            return None
        self._over = True
        if self._first is None:
            return None
        return self._meter._ended(now, self.ttfb if self._alone else None)

    @property
    def bytes_received(self) -> int:
        """Bytes of the body so far."""
        return self._received

    @property
    def ttfb(self) -> float | None:
        """Seconds from the request to the first byte; None while there is none."""
        return self._first - self._asked if self._first is not None else None

    def elapsed(self, now: float) -> float:
        """Seconds since the request."""
        return now - self._asked
