"""How the caller wants an input decoded."""

from dataclasses import dataclass

import numpy as np

from ._pcm import AnySamples, SampleType


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The type of the samples; whether damage is an error instead of a counted loss."""

    dtype: SampleType = "float32"
    strict: bool = False

    def empty(self, frames: int, channels: int) -> AnySamples:
        """Make an array for that many frames, its samples not yet set."""
        return np.empty((frames, channels), self.dtype)
