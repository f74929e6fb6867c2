import pytest
from decode_files import Media

from kithara_decode._flac import flac_bits, flac_frames


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_S8", 8), ("PCM_16", 16), ("PCM_24", 24)])
def test_streaminfo(media: Media, subtype: str, bits: int) -> None:
    head = media.pcm(f"info-{bits}.flac", subtype=subtype, frames=12345).read_bytes()[:42]
    assert flac_bits(head) == bits
    assert flac_frames(head) == 12345


def test_cut_and_untold() -> None:
    assert flac_bits(b"fLaC") is None
    assert flac_frames(b"fLaC") is None
    assert flac_frames(bytes(42)) is None
