"""What a stream has done so far."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStats:
    """A look at an `AudioStream`, at one moment.

    `frames` is how many frames were queued so far, in the output's rate, those that a seek dropped
    again included; `seconds_buffered` how much sound waits for the consumer now; `underruns` how
    often the consumer had to wait in the middle, the first chunk and those behind seeks not
    counted; `losses` how many places lack frames.
    """

    frames: int
    seconds_buffered: float
    underruns: int
    losses: int
