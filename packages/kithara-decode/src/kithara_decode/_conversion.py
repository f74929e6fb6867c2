"""From the format of a span to the one that a stream hands out."""

from fractions import Fraction
from typing import Protocol

import numpy as np

from ._errors import UnsupportedFormat
from ._mix import mix_matrix
from ._pcm import PcmSpec, Samples

WARM_UP = 1024  # frames behind which the resampler's filter has forgotten where it began, measured
LONGEST_GRID = 16384  # frames to look through for one that falls on a frame of the output
MOST_RATIO = 256  # between two rates: damaged headers tell of gigahertz, blocks become gigabytes


class Conversion:
    """Mixes and resamples blocks of one spec into another; nothing where they are equal.

    `ratio` is frames out per frame in.
    """

    def __init__(self, source: PcmSpec, output: PcmSpec) -> None:
        self.ratio = Fraction(output.sample_rate, source.sample_rate)
        self._source = source
        self._output = output
        self._matrix = mix_matrix(source, output)
        self._mixes_first = output.channels < source.channels
        self._resampler: _Resampler | None = None
        self.restart()

    def restart(self) -> None:
        """Forget the frames before."""
        if self.ratio != 1:
            channels = min(self._source.channels, self._output.channels)
            rates = self._source.sample_rate, self._output.sample_rate
            self._resampler = _open_resampler(*rates, channels)

    @property
    def warm_up(self) -> int:
        """How many frames in have to be converted in front of those that shall be exact."""
        return 0 if self._resampler is None else WARM_UP

    def convert(self, block: Samples, *, last: bool = False) -> Samples:
        """Return what has become of the frames so far, less what the resampler still holds."""
        if self._matrix is not None and self._mixes_first:
            block = block @ self._matrix
        if self._resampler is not None:
            block = self._resampler.resample_chunk(block, last=last)
        if self._matrix is not None and not self._mixes_first:
            block = block @ self._matrix
        return block

    def flush(self) -> Samples:
        """Return the rest, and begin anew."""
        channels = self._source.channels
        rest = self.convert(np.empty((0, channels), np.float32), last=True)
        self.restart()
        return rest

    def frames_to_grid(self, place: Fraction) -> int:
        """Return how many frames to drop until one falls on a frame of the output.

        `place` is where the first one lies, in frames of the output. 0 if there is none soon.
        """
        up, down = self.ratio.numerator, self.ratio.denominator
        if down % place.denominator:
            return 0
        dropped = -place.numerator * (down // place.denominator) * pow(up, -1, down) % down
        return dropped if dropped <= LONGEST_GRID else 0


class _Resampler(Protocol):
    def resample_chunk(self, x: Samples, last: bool = ...) -> Samples: ...


def _open_resampler(source: int, output: int, channels: int) -> _Resampler:
    if max(source, output) > MOST_RATIO * min(source, output):
        raise UnsupportedFormat(
            f"the sample rate is {source} Hz where {output} Hz are to come out, which no sound "
            "needs; look at the input whose header says so",
            container=None,
        )
    try:
        import soxr  # type: ignore[import-untyped]  # it ships no types
    except ImportError as exc:
        raise UnsupportedFormat(
            f"the sample rate is {source} Hz where {output} Hz are to come out; to resample, "
            "install: pip install 'kithara-decode[resample]'",
            container=None,
            extra="kithara-decode[resample]",
        ) from exc
    resampler: _Resampler = soxr.ResampleStream(source, output, channels, dtype="float32")
    return resampler
