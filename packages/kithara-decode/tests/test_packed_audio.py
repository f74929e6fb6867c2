import io

import numpy as np
import pytest
from decode_files import Media, Unseekable

from kithara_decode import open_decoder
from kithara_decode._input import Input
from kithara_decode._open import open_input
from kithara_decode._options import Options
from kithara_decode._sniff import frame_at

OWNER = b"com.apple.streaming.transportStreamTimestamp\0"
FRAMES = 100_000


def timestamp(ticks: int) -> bytes:
    """The ID3 tag that begins each segment of packed audio."""
    frame = OWNER + ticks.to_bytes(8)
    tag = b"PRIV" + len(frame).to_bytes(4) + b"\0\0" + frame
    return b"ID3\4\0\0\0\0\0" + bytes([len(tag)]) + tag


def units(content: bytes, *, ac3: bool) -> list[bytes]:
    """Cut into frames."""
    found = []
    while content:
        size = content.find(b"\x0bw", 2) if ac3 else frame_at(content, 0)[2]
        size = size if size > 0 else len(content)
        found.append(content[:size])
        content = content[size:]
    return found


@pytest.fixture(params=["mp3", "ac3"])
def packed(request: pytest.FixtureRequest, media: Media) -> tuple[bytes, bytes]:
    """The frames of a coded sound, and the same as segments with all that may begin them."""
    if request.param == "ac3":
        pytest.importorskip("av")
    content = media.coded(f"packed.{request.param}", "-id3v2_version", "0", frames=FRAMES)
    whole = units(content.read_bytes(), ac3=request.param == "ac3")
    segments = [whole[at : at + 15] for at in range(0, len(whole), 15)]
    info = whole[0] if request.param == "mp3" else b""
    assert (b"Info" in info) == (request.param == "mp3")
    marks = (b"", timestamp(90_000), timestamp(7) + timestamp(8) + info, info)
    made = b"".join(
        timestamp(0) * (number == 0) + marks[number % 4] * (number > 0) + b"".join(segment)
        for number, segment in enumerate(segments)
    )
    return b"".join(whole), made


@pytest.mark.parametrize("step", [11, 997, 65536])
def test_what_begins_a_segment_is_no_sound(packed: tuple[bytes, bytes], step: int) -> None:
    frames, segments = packed
    with open_decoder(io.BytesIO(frames)) as decoder:
        expected = decoder.read(2 * FRAMES)
    with open_decoder(Unseekable(segments, step=step)) as decoder:
        found = decoder.read(2 * FRAMES)
    assert np.abs(found[: len(expected)] - expected).max() < 1e-6
    assert 0 <= len(found) - len(expected) < 2304  # only a file's length tells the padding


def test_segments_of_which_the_length_is_known_are_no_file(packed: tuple[bytes, bytes]) -> None:
    _, segments = packed
    with open_decoder(Unseekable(segments)) as decoder:
        expected = decoder.read(2 * FRAMES)
    source = Input(io.BytesIO(segments), segmented=True)
    with open_input(source, None, Options()) as decoder:
        assert np.array_equal(decoder.read(2 * FRAMES), expected)
