"""Where spans lie on the one frame axis of a stream, by what their source says of their time."""

from dataclasses import dataclass
from fractions import Fraction

SNAP_FRAMES = 2  # what time stamps of a clock that does not count samples may be off by


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """What an encoder put before the sound, in frames, as far as the input tells.

    `told` frames of the whole encoding precede its sound and are dropped when it is decoded from
    its start; `dropped` frames were dropped at the start of this input, which may be the middle.
    `unit` is the frames of an access unit where all are equal, else 1. `converges` is how many
    seconds a decoder that begins in the middle needs until it gives what a linear one gives.
    """

    told: int = 0
    dropped: int = 0
    unit: int = 1
    converges: float = 0.1

    def first_frame(self, seconds: Fraction, rate: int) -> int:
        """Return where decoding from the very start has the first frame decoded here.

        `seconds` is the presentation time of the first access unit here, counted from the very
        first one; `rate` is in frames per second.
        """
        exact = seconds * rate
        encoded = round(exact)
        whole_units = round(exact / self.unit) * self.unit
        if exact.denominator != 1 and abs(whole_units - exact) <= SNAP_FRAMES:
            encoded = whole_units
        return encoded - self.told + self.dropped


class FrameAxis:
    """Remembers for each media clock by how much its own time differs from the frames played.

    That is nothing for the clock that a stream begins with. Where another clock begins, playing
    goes on without a gap whatever it says, and a seek back to it has to land in the same place.
    """

    def __init__(self) -> None:
        self._shifts: dict[int, int] = {}

    def place(self, timeline: int, frame: int, position: int | None) -> int:
        """Return where a span lies whose own time says `frame`.

        `position` is where the span before it ended, or None behind a seek.
        """
        if timeline not in self._shifts:
            self._shifts[timeline] = 0 if position is None else position - frame
        return frame + self._shifts[timeline]
