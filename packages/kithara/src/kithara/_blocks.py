"""Chunks as a decoder makes them, cut anew into blocks of one length."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from kithara_decode import PcmChunk


class Blocks:
    """Collects chunks and gives them back as blocks of `frames` frames.

    A block never reaches over a place where the sound does not go on, because of a seek: what was
    collected before it is dropped. The last block is as short as it happens to be.
    """

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._parts: list[npt.NDArray[np.float32]] = []
        self._held = 0
        self._start = 0
        self._last: PcmChunk | None = None

    def put(self, chunk: PcmChunk) -> Iterator[PcmChunk]:
        """Take a chunk; yield the blocks that it completes."""
        if self._held and chunk.start != self._start + self._held:
            self._drop()
        if not self._held:
            self._start = chunk.start
        self._last = chunk
        self._parts.append(chunk.data)
        self._held += len(chunk.data)
        if self._held < self._frames:
            return
        data = self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts)
        whole = len(data) - len(data) % self._frames
        start = self._start
        self._start, self._parts, self._held = start + whole, [], len(data) - whole
        if self._held:
            self._parts.append(data[whole:])
        for offset in range(0, whole, self._frames):
            block = data[offset : offset + self._frames]
            yield replace(chunk, data=block, start=start + offset)

    def rest(self) -> Iterator[PcmChunk]:
        """Yield what is left at the end, if anything is."""
        if self._held and self._last is not None:
            yield replace(self._last, data=np.concatenate(self._parts), start=self._start)
        self._drop()

    def _drop(self) -> None:
        self._parts, self._held = [], 0


def block_frames(*, seconds: float | None, frames: int | None, rate: int) -> int:
    """How many frames a block has; raises ValueError unless exactly one length is given."""
    if (seconds is None) == (frames is None):
        raise ValueError("give the length of a block either as seconds or as frames")
    count = frames if frames is not None else round((seconds or 0.0) * rate)
    if count < 1:
        raise ValueError("a block has at least one frame")
    return count
