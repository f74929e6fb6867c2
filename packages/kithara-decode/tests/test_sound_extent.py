from __future__ import annotations

import pytest
from decode_files import Media, sound
from hypothesis import given
from hypothesis import strategies as st

from kithara_decode._sound_extent import sound_extent


@pytest.mark.parametrize("suffix", ["wav", "aiff", "caf", "w64", "rf64", "au"])
def test_what_soundfile_writes(media: Media, suffix: str) -> None:
    content = media.pcm(f"extent.{suffix}", frames=3000, subtype="PCM_16").read_bytes()
    extent = sound_extent(content[:8192])
    assert extent is not None
    assert extent.size == 3000 * 4
    assert len(content) >= extent.start + 12_000
    order = "<i2" if suffix in ("wav", "w64", "rf64") else ">i2"
    first = int(sound(3000)[0, 0] * 32767)
    stored = content[extent.start : extent.start + 2]
    assert (
        abs(int.from_bytes(stored, "little" if order[0] == "<" else "big", signed=True) - first) < 3
    )


def test_cut_before_the_samples(media: Media) -> None:
    content = media.pcm("extent.wav", frames=3000).read_bytes()
    assert sound_extent(content[:40]) is None
    assert sound_extent(b"fLaC" + bytes(100)) is None


@pytest.mark.parametrize("size", [bytes(4), b"\xff" * 4])
def test_untold_sizes(media: Media, size: bytes) -> None:
    content = media.pcm("extent.wav", frames=3000).read_bytes()
    extent = sound_extent(content[:40] + size + content[44:])
    assert extent is not None
    assert (extent.start, extent.size) == (44, None)


@given(
    st.sampled_from((b"RIFF", b"RIFX", b"FORM", b"caff", b"riff", b".snd")), st.binary(max_size=200)
)
def test_nonsense_ends(magic: bytes, content: bytes) -> None:
    sound_extent(magic + content)
