"""What damaged input has lost, kept within bounds."""

from dataclasses import dataclass

MOST_LOSSES = 256  # places; what lies behind them is added to the last one


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A place where frames are missing that the encoder once put there.

    `frame` is the position of the place; `frames` is how many are missing and come as silence, or
    None where the format does not tell: then what follows comes at once. `reason` is for people.
    """

    frame: int
    frames: int | None
    reason: str


class Losses:
    """The places by their position; reading a place again does not count it twice."""

    def __init__(self) -> None:
        self._places: dict[int, Loss] = {}
        self.all: tuple[Loss, ...] = ()  # by their position

    def add(self, loss: Loss) -> None:
        """Keep a loss, the first `MOST_LOSSES` of them one by one."""
        if loss.frame in self._places or any(
            known.frame <= loss.frame < known.frame + (known.frames or 0)
            for known in self._places.values()
        ):
            return
        if len(self._places) < MOST_LOSSES:
            self._places[loss.frame] = loss
        else:
            last = self.all[-1]
            if loss.frame < last.frame:
                return
            counts = (last.frames, loss.frames)
            frames = None if None in counts else sum(count or 0 for count in counts)
            self._places[last.frame] = Loss(frame=last.frame, frames=frames, reason=last.reason)
        self.all = tuple(self._places[frame] for frame in sorted(self._places))
