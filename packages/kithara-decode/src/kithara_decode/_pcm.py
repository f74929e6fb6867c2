"""PCM facts: what samples look like, and a piece of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

LAYOUTS = {
    1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1",
}  # fmt: skip
"""What the channels are where a format lets their number decide; in the order of WAV."""

Samples: TypeAlias = npt.NDArray[np.float32]
"""float32, C-contiguous, (frames, channels); full scale is [-1, 1), lossy codecs overshoot it."""

Sample: TypeAlias = np.float32 | np.float64 | np.int16 | np.int32

SampleType: TypeAlias = Literal["int16", "int32", "float32", "float64"]

AnySamples: TypeAlias = npt.NDArray[Sample]
"""As `Samples`, of the type that the decoder was opened for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PcmSpec:
    """The shape of PCM: `sample_rate` in frames per second, `channels` interleaved per frame.

    `layout` names the speakers where that is known: "mono", "stereo", "5.1", …, in the order left,
    right, centre, LFE, back or side pairs. `bits` is the depth of a lossless source's samples, None
    for lossy codecs. Neither counts when two specs are compared.
    """

    sample_rate: int
    channels: int
    layout: str | None = field(default=None, compare=False)
    bits: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.sample_rate <= 0 or self.channels <= 0:
            raise ValueError(f"no PCM has {self.sample_rate} Hz and {self.channels} channels")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PcmChunk:
    """Consecutive frames of an `AudioStream`.

    `data` is float32, C-contiguous, (frames, channels), never empty; `start` is its first
    frame, counted in a decoding of the whole source; `spec` is the same for all of a stream;
    `source` is the format of the span that it comes from, None if that is not known; `tags` are
    the text tags of that, or of the link of a chained Ogg that its last frames come from.
    """

    data: Samples
    start: int
    spec: PcmSpec
    source: PcmSpec | None = None
    tags: Mapping[str, str] = field(default_factory=dict, repr=False)
