import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara import PcmChunk, PcmSpec
from kithara._blocks import Blocks, block_frames

SPEC = PcmSpec(sample_rate=8000, channels=2)


def chunk(start: int, frames: int) -> PcmChunk:
    ramp = np.arange(start, start + frames, dtype=np.float32)
    return PcmChunk(data=np.stack([ramp, -ramp], axis=1), start=start, spec=SPEC)


@given(lengths=st.lists(st.integers(1, 50), max_size=20), size=st.integers(1, 60))
def test_the_same_samples_in_blocks_of_one_length(lengths: list[int], size: int) -> None:
    blocks, start = Blocks(size), 0
    cut: list[PcmChunk] = []
    for length in lengths:
        cut += blocks.put(chunk(start, length))
        start += length
    cut += blocks.rest()
    assert [len(block.data) for block in cut[:-1]] == [size] * (len(cut) - 1)
    assert [block.start for block in cut] == list(range(0, start, size))
    if cut:
        assert np.array_equal(np.concatenate([b.data for b in cut]), chunk(0, start).data)
        assert all(block.data.flags.c_contiguous for block in cut)


def test_a_block_does_not_reach_over_a_seek() -> None:
    blocks = Blocks(10)
    assert list(blocks.put(chunk(0, 7))) == []
    (block,) = blocks.put(chunk(100, 10))
    assert block.start == 100
    assert list(blocks.rest()) == []


def test_how_long_a_block_is() -> None:
    assert block_frames(seconds=0.02, frames=None, rate=48_000) == 960
    assert block_frames(seconds=None, frames=7, rate=48_000) == 7
    for seconds, frames in ((None, None), (1.0, 5), (0.0, None), (None, 0), (-1.0, None)):
        with pytest.raises(ValueError, match="block"):
            block_frames(seconds=seconds, frames=frames, rate=8000)
