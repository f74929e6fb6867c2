"""Every file of the corpora against an oracle that nobody here wrote."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from decode_files import ffmpeg_pcm, mpg123_pcm

from kithara_decode import EncodedLengthMismatch, open_decoder
from kithara_decode._pcm import AnySamples

Pcm = npt.NDArray[np.float32]


def streaminfo_md5(path: Path, channels: int) -> Pcm | None:
    """The encoder's own checksum of the integers that went in."""
    del channels
    content = path.read_bytes()
    info = content[content.find(b"fLaC") + 8 :]
    bits = (int.from_bytes(info[12:14]) >> 4 & 0x1F) + 1
    frames = int.from_bytes(info[13:18]) & 0xFFFFFFFFF
    with path.open("rb") as file, open_decoder(file, dtype="int32") as decoder:
        assert decoder.frames == (frames or None)
        integers = np.concatenate(list(decoder.blocks(65536))) >> (32 - bits)
    samples = integers.astype("<i4").view(np.uint8).reshape(-1, 4)[:, : (bits + 7) // 8]
    assert hashlib.md5(samples.tobytes()).digest() == info[18:34]
    return None


def iso_reference(path: Path, channels: int) -> Pcm:
    """16-bit PCM that comes with the ISO test vectors; what overshoots is clipped in it."""
    reference = np.frombuffer(path.with_suffix(".pcm").read_bytes(), "<i2")
    return (reference / np.float32(32768)).astype(np.float32).reshape(-1, channels)


def same_music(path: Path, channels: int) -> Pcm:
    """The file whose blocks this one repeats, without the total in its header."""
    return ffmpeg_pcm(path.with_name("bear.flac"), channels)


# Which files, by what oracle, and by how much a sample may differ from it: 0 is bit for bit.
# The 16-bit reference of ISO is rounded itself. FFmpeg's own decoders differ from the codecs' own
# ones in the last bits of a float, but for Opus (a few samples of bear.opus by 1.4e-3; opusdec
# gives ours bit for bit) and for IMA ADPCM (it rounds each step in another way).
TABLE: list[tuple[str, Callable[[Path, int], Pcm | None], float]] = [
    (r"flac-test-files/.*\.flac", streaminfo_md5, 0),
    (r"media3/bear(_32bit|_with_id3)?\.flac", streaminfo_md5, 0),
    (r"media3/bear_no_num_samples\.flac", same_music, 0),
    (r"media3/bear_flac\.ogg", streaminfo_md5, 0),
    (r"minimp3/.*\.bit", iso_reference, 1.6e-5),
    (r".*\.(mp3|bit)", mpg123_pcm, 0),
    (r"(?!.*(bear-id3|lots-of)).*\.mp3", ffmpeg_pcm, 1e-5),  # FFmpeg plays bear-id3's Info frame
    (r".*_vorbis\.ogg", ffmpeg_pcm, 1e-6),
    (r".*\.opus", ffmpeg_pcm, 2e-3),
    (r".*/sample\.wav", ffmpeg_pcm, 0),
    (r".*_ima_adpcm\.wav", ffmpeg_pcm, 2e-3),
    (r".*_alac\.mp4", ffmpeg_pcm, 0),
    (r".*(\.adts|_seekable\.mp4)", ffmpeg_pcm, 1e-6),
]
CUT = "lots-of-id3text.mp3"  # 13 kB of a song: its header promises the whole


def names() -> list[str]:
    folder = Path(__file__).resolve().parents[3].parent / "shared/corpora/audio"
    found = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.*")))
    return [name for name in found if not name.endswith(".pcm")] or ["none"]


@pytest.mark.parametrize("name", names())
def test_samples_are_the_oracles(corpora: Path, name: str) -> None:
    path = corpora / "audio" / name
    blocks: list[AnySamples] = []
    with path.open("rb") as file, open_decoder(file, strict=True) as decoder:
        channels = decoder.spec.channels
        with pytest.raises(EncodedLengthMismatch) if name.endswith(CUT) else nullcontext():
            blocks.extend(decoder.blocks(8192))
        pcm = np.concatenate(blocks)
        assert name.endswith(CUT) or decoder.frames in (None, len(pcm))
    oracles = [(oracle, most) for pattern, oracle, most in TABLE if re.fullmatch(pattern, name)]
    assert oracles
    for oracle, tolerance in oracles:
        expected = oracle(path, channels)
        if expected is None:
            continue
        count = len(pcm)
        if oracle is iso_reference:  # some stop a frame early, some let the filters fade out
            count = min(count, len(expected))
            assert len(pcm) - count <= 1152
            assert not expected[count + 1152 :].any()
            expected = expected[:count]
        heard = pcm.clip(-1, 1 - 2**-15) if oracle is iso_reference else pcm
        assert len(expected) == count
        assert np.abs(heard[:count] - expected).max() <= tolerance, oracle.__name__
