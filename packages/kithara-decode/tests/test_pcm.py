import numpy as np
import pytest

from kithara_decode import PcmChunk, PcmSpec


def test_spec_is_a_value() -> None:
    spec = PcmSpec(sample_rate=48000, channels=2)
    assert spec == PcmSpec(sample_rate=48000, channels=2)
    assert len({spec, PcmSpec(sample_rate=48000, channels=2)}) == 1


@pytest.mark.parametrize(("rate", "channels"), [(0, 2), (44100, 0), (-1, 1)])
def test_spec_refuses_nonsense(rate: int, channels: int) -> None:
    with pytest.raises(ValueError, match="no PCM"):
        PcmSpec(sample_rate=rate, channels=channels)


def test_chunk_is_frozen() -> None:
    spec = PcmSpec(sample_rate=8000, channels=1)
    chunk = PcmChunk(data=np.zeros((3, 1), np.float32), start=7, spec=spec)
    with pytest.raises(AttributeError):
        chunk.start = 8  # type: ignore[misc]  # what the test is about
