from __future__ import annotations

import io
import random
import subprocess
import sys
from typing import assert_type, cast, get_args

import numpy as np
import numpy.typing as npt
import pytest
from decode_files import Media, Seekable, Unseekable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kithara_decode
from kithara_decode import DecodeError, Decoder, UnsupportedFormat, open_decoder
from kithara_decode._open import BACKENDS
from kithara_decode._pcm import Sample, SampleType


def test_all_names_exist_once() -> None:
    assert len(set(kithara_decode.__all__)) == len(kithara_decode.__all__)
    for name in kithara_decode.__all__:
        assert getattr(kithara_decode, name)


@pytest.mark.parametrize(
    ("content", "container", "words"),
    [
        (b"", None, "empty"),
        (b"<!doctype html><title>Log in</title>", "html", "an HTML page"),
        (b"#EXTM3U\n#EXTINF:1,\na.ts\n", "hls", "an HLS playlist"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), None, "89 50 4e 47"),
        (b'{"error": 404}', None, "no audio format"),
        (random.Random(1).randbytes(100_000), None, "no audio format"),
    ],
)
@pytest.mark.parametrize("file_type", [Seekable, Unseekable])
def test_no_audio_is_said_in_one_line(
    content: bytes, container: str | None, words: str, file_type: type[Seekable]
) -> None:
    for hint in (None, "nonsense"):
        with pytest.raises(UnsupportedFormat, match=words) as refusal:
            open_decoder(file_type(content), hint=hint)
        assert refusal.value.container == container
        assert refusal.value.extra is None
        assert "\n" not in str(refusal.value)


def test_the_bytes_outweigh_the_hint(media: Media) -> None:
    content = media.pcm("hinted.wav", frames=100).read_bytes()
    with open_decoder(io.BytesIO(content), hint="mp3") as decoder:
        assert decoder.frames == 100


def test_a_hint_counts_where_the_bytes_say_nothing(media: Media) -> None:
    content = bytes(300_000) + media.coded("hinted.mp3", frames=30_000).read_bytes()
    with pytest.raises(UnsupportedFormat):
        open_decoder(io.BytesIO(content))
    with open_decoder(io.BytesIO(content), hint="mp3") as decoder:
        assert sum(len(block) for block in decoder.blocks(4096)) == 30_000


def test_no_container_is_without_a_backend() -> None:
    containers = set().union(*(backend.containers for backend in BACKENDS))
    assert containers >= {
        *("mp3", "wav", "rf64", "aiff", "caf", "w64", "au", "flac", "ogg"),
        *("adts", "ac3", "eac3", "mp4", "mpegts", "matroska"),
    }


def test_what_the_extra_would_decode_names_it(media: Media) -> None:
    path = media.coded("without.aac", "-c:a", "aac")
    program = f"""
import sys
sys.modules["av"] = None
import kithara_decode
try:
    kithara_decode.open_decoder(open({str(path)!r}, "rb"))
except kithara_decode.UnsupportedFormat as error:
    assert error.extra == "kithara-decode[av]", error.extra
    print(error)
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'kithara-decode[av]'" in answer.stdout, answer.stderr


def test_pyav_is_not_imported_for_what_c_decodes(media: Media) -> None:
    path = media.pcm("plain.flac", frames=100)
    program = f"""
import sys, kithara_decode
kithara_decode.open_decoder(open({str(path)!r}, "rb")).read(10)
assert "av" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@given(data=st.data())
@settings(
    max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_damage_anywhere_is_samples_or_a_typed_error(media: Media, data: st.DataObject) -> None:
    name = data.draw(
        st.sampled_from(("d.wav", "d.flac", "d.mp3", "d.ogg", "d.aac", "d.m4a", "d.caf"))
    )
    if name in ("d.mp3", "d.aac", "d.m4a"):
        path = media.coded(name, frames=8000)
    else:
        subtype = "VORBIS" if name == "d.ogg" else "PCM_16"
        path = media.pcm(name, frames=8000, subtype=subtype)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(
            st.integers(0, min(len(content), 300) - 1) | st.integers(0, len(content) - 1)
        )
        content[at] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(0, len(content))) :]
    file = data.draw(st.sampled_from((Seekable, Unseekable)))(bytes(content))
    try:
        with open_decoder(file) as decoder:
            for _ in zip(decoder.blocks(4096), range(64), strict=False):
                pass
    except DecodeError as error:
        assert "\n" not in str(error)  # noqa: PT017 - both outcomes are fine


def test_the_type_of_the_samples_is_known(media: Media) -> None:
    content = media.pcm("typed.wav", frames=1000).read_bytes()
    with open_decoder(io.BytesIO(content)) as single:
        assert_type(single, Decoder[np.float32])
        assert_type(single.read(1), npt.NDArray[np.float32])
    with open_decoder(io.BytesIO(content), dtype="int16") as short:
        assert_type(short, Decoder[np.int16])
        assert_type(next(short.blocks(1)), npt.NDArray[np.int16])
        assert short.read_into(np.zeros((10, 2), np.int16)) == 10
    for dtype in get_args(SampleType):
        with open_decoder(io.BytesIO(content), dtype=cast("SampleType", dtype)) as decoder:
            assert_type(decoder, Decoder[Sample])
            assert decoder.read(1).dtype == dtype
