import numpy as np
import pytest
from decode_files import Media

from kithara_decode import PcmChunk, PcmSpec, open_decoder


def test_spec_is_a_value() -> None:
    spec = PcmSpec(sample_rate=48000, channels=2)
    assert spec == PcmSpec(sample_rate=48000, channels=2)
    assert len({spec, PcmSpec(sample_rate=48000, channels=2)}) == 1
    assert spec == PcmSpec(sample_rate=48000, channels=2, layout="stereo", bits=16)


def test_layout_and_bits_are_the_sources(media: Media) -> None:
    pytest.importorskip("av")
    for name, options, channels, layout, bits in (
        ("p.mp3", (), 1, "mono", None),
        ("p.flac", ("-sample_fmt", "s32"), 2, "stereo", 24),
        ("p.ogg", ("-c:a", "libvorbis"), 2, "stereo", None),
        ("p.m4a", ("-c:a", "alac"), 2, "stereo", 16),
        ("p24.m4a", ("-c:a", "alac", "-sample_fmt", "s32p"), 2, "stereo", 24),
        ("p.mka", ("-c:a", "flac"), 6, "5.1", 16),
        ("p.wav", ("-c:a", "pcm_s24le"), 2, "stereo", 24),
    ):
        path = media.coded(name, *options, frames=5000, channels=channels)
        with path.open("rb") as file, open_decoder(file) as decoder:
            assert (decoder.spec.layout, decoder.spec.bits) == (layout, bits), name


@pytest.mark.parametrize(("rate", "channels"), [(0, 2), (44100, 0), (-1, 1)])
def test_spec_refuses_nonsense(rate: int, channels: int) -> None:
    with pytest.raises(ValueError, match="no PCM"):
        PcmSpec(sample_rate=rate, channels=channels)


def test_chunk_is_frozen() -> None:
    spec = PcmSpec(sample_rate=8000, channels=1)
    chunk = PcmChunk(data=np.zeros((3, 1), np.float32), start=7, spec=spec)
    with pytest.raises(AttributeError):
        chunk.start = 8  # type: ignore[misc]  # what the test is about
