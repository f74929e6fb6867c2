"""Where spans lie on the one frame axis of a stream, by what their source says of their time."""

from dataclasses import dataclass
from fractions import Fraction

SNAP_FRAMES = 2  # what time stamps of a clock that does not count samples may be off by


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """What an encoder put before the sound, in frames, as far as the input tells.

    `told` frames of the whole encoding precede its sound and are dropped when it is decoded from
    its start; `untold` more, by the custom of the codec, are not. `dropped` frames were dropped at
    the start of this input, which may be the middle. `unit` is the frames of an access unit where
    all are equal, else 1. `converges` is how many seconds a decoder that begins in the middle needs
    until it gives what a linear one gives. `sure` is False where access units at the very start may
    give no frame, and only those tell.
    """

    told: int = 0
    untold: int = 0
    dropped: int = 0
    unit: int = 1
    converges: float = 0.1
    sure: bool = True

    def first_frame(self, seconds: Fraction, rate: int) -> int:
        """Return which frame of the sound the first one decoded here is; negative before it.

        `seconds` is the presentation time of the first access unit here, counted from the very
        first one; `rate` is in frames per second.
        """
        exact = seconds * rate
        encoded = round(exact)
        whole_units = round(exact / self.unit) * self.unit
        if exact.denominator != 1 and abs(whole_units - exact) <= SNAP_FRAMES:
            encoded = whole_units
        return encoded - self.told - self.untold + self.dropped


class FrameAxis:
    """Places spans among the frames of a stream that is decoded from its start to its end.

    Remembers for each media clock by how much its own time differs from that. Where a clock begins,
    playing goes on without a gap whatever it says, and a seek back to it has to land there again.
    """

    def __init__(self) -> None:
        self._shifts: dict[int, Fraction] = {}

    @property
    def is_empty(self) -> bool:
        """Return whether no clock was met yet."""
        return not self._shifts

    def place(self, timeline: int, own: Fraction, position: int | Fraction) -> Fraction:
        """Return where a span begins.

        `own` is the frame that its own time says, `position` where it has to be if its clock was
        not met before.
        """
        return own + self._shifts.setdefault(timeline, position - own)

    def restart(self, timeline: int, own: Fraction, position: int | Fraction) -> Fraction:
        """Do the same, and take the clock for a new one."""
        self._shifts.pop(timeline, None)
        return self.place(timeline, own, position)
