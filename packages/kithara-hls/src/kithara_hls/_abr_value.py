"""What seconds in the buffer are worth, in the currency of sound quality."""

import math
from dataclasses import dataclass
from typing import Final

__all__ = ("STALL_PRICE", "START_PRICE", "BufferValue")

# The unit is one second heard at twice the bitrate. Ten of them for a second of silence, five
# for one before the first sound: the weights of the laboratory this was tuned in.
STALL_PRICE: Final = 10.0
START_PRICE: Final = 5.0

_GOAL: Final = 60.0  # seconds of read-ahead at which base and slope hold
_BASE, _SLOPE = 0.45, 0.015
_BASE_POWER: Final = 0.8
_LEAST_BASE: Final = 0.29  # a second of buffer is then never worth more than one of silence
_TAPER: Final = 0.23
_STEADY_BASE: Final = 0.95
_RESTLESS: Final = 0.3  # a spread from which on the line counts as restless
_LEAST_SLOPE: Final = 1e-4
_LAST: Final = 20.0  # seconds kept ready to the very end, for an outage before the last segment


@dataclass(frozen=True, slots=True)
class BufferValue:
    """V(b): what ``b`` seconds of buffer are worth, for one path and one goal.

    The best bitrate maximises  log2(r) - V'(b) r / C,  so  r = C / (ln 2 V'(b)): the share of
    the path's rate C that is spent is  share(b) = base + slope * b  divided by the taper. On a
    restless line it starts low and grows beyond 1, so that the buffer bridges what the line
    does not carry; on a steady one it is near 1 from the start. V' falls with b throughout and
    is 0 beyond ``full``: there is no room for more, or little is left to fetch.
    """

    base: float
    slope: float
    taper: float
    full: float

    @classmethod
    def of(cls, *, goal: float, spread: float, segment: float, remaining: float) -> "BufferValue":
        """For a read-ahead of ``goal`` seconds and ``remaining`` ones still to fetch."""
        restless = min(1.0, (spread / _RESTLESS) ** 3)
        base = min(_STEADY_BASE, max(_LEAST_BASE, _BASE * (_GOAL / goal) ** _BASE_POWER))
        return cls(
            base=_STEADY_BASE - (_STEADY_BASE - base) * restless,
            slope=max(_LEAST_SLOPE, _SLOPE * _GOAL / goal * restless),
            taper=_TAPER / goal,
            full=max(0.0, min(remaining + _LAST, goal) - segment),
        )

    def at(self, buffer: float) -> float:
        """The value of ``buffer`` seconds, from 0."""
        b = min(max(buffer, 0.0), self.full)
        slope, taper = self.slope, self.taper
        log = math.log1p(slope * b / self.base)
        return ((1.0 + taper * self.base / slope) * log - taper * b) / slope / math.log(2.0)
