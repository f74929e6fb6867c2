"""Series that stay short however long a session lasts: they become coarser instead."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LONGEST = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """Sums by time: `sums[i]` is what came from `i * width` s on, up to the next bin."""

    width: float
    sums: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Values at times, in order: (seconds, value)."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The lowest and highest sample, of all channels, in `seconds` from `start` on."""

    start: float
    seconds: float
    low: float
    high: float


class BinSeries:
    """Adds up sizes by time; the bins double in width when there are too many."""

    def __init__(self, width: float = 0.1) -> None:
        self._width = width
        self._sums: list[int] = []

    def add(self, at: float, size: int) -> None:
        """Count `size` at `at` seconds."""
        while at >= self._width * LONGEST:
            self._width *= 2
            odd = [*self._sums, 0] if len(self._sums) % 2 else self._sums
            self._sums = [a + b for a, b in zip(odd[::2], odd[1::2], strict=True)]
        place = int(at / self._width)
        self._sums.extend([0] * (place + 1 - len(self._sums)))
        self._sums[place] += size

    def bins(self) -> Bins:
        """What was added so far."""
        return Bins(width=self._width, sums=tuple(self._sums))


class SampleSeries:
    """Keeps values by time; every second one goes when there are too many."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float]] = []
        self._spacing = 0.0

    def add(self, at: float, value: float) -> None:
        """Note a value; one that follows too closely takes the place of the one before."""
        if len(self._points) > 1 and at - self._points[-2][0] < self._spacing:
            self._points[-1] = (at, value)
            return
        self._points.append((at, value))
        if len(self._points) > LONGEST:
            self._points = self._points[::2]
            self._spacing = (at - self._points[0][0]) / LONGEST

    def samples(self) -> Samples:
        """What was added so far."""
        return Samples(points=tuple(self._points))


class PeakSeries:
    """The waveform of what was heard, by place; coarser the further it reaches."""

    def __init__(self, width: float = 0.05) -> None:
        self._width = width
        self._peaks: dict[int, tuple[float, float]] = {}

    def add(self, start: float, data: npt.NDArray[np.float32], rate: int) -> None:
        """Note samples, (frames, channels), from `start` seconds on."""
        while start + len(data) / rate >= self._width * LONGEST:
            self._width *= 2
            halves, self._peaks = self._peaks, {}
            for place, (low, high) in halves.items():
                self._put(place // 2, low, high)
        first = round(start * rate)
        place = int(start / self._width)
        while len(data):
            split = max(round((place + 1) * self._width * rate) - first, 0)
            part, data = data[:split], data[split:]
            if len(part):
                self._put(place, float(part.min()), float(part.max()))
            first, place = first + len(part), place + 1

    def peaks(self) -> tuple[Peak, ...]:
        """What was added so far, by place."""
        return tuple(
            Peak(start=place * self._width, seconds=self._width, low=low, high=high)
            for place, (low, high) in sorted(self._peaks.items())
        )

    def _put(self, place: int, low: float, high: float) -> None:
        before = self._peaks.get(place, (low, high))
        self._peaks[place] = min(low, before[0]), max(high, before[1])
