"""Samples as int16, int32, float32 and float64, by the rules that `open_decoder` tells."""

from __future__ import annotations

import io
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile
from decode_files import RATE, Media
from hypothesis import given
from hypothesis import strategies as st

from kithara_decode import open_decoder
from kithara_decode._pcm import AnySamples, SampleType
from kithara_decode._scale import scaled

TYPES: tuple[SampleType, ...] = get_args(SampleType)
LOSSLESS = [
    ("s-16.wav", "PCM_16"), ("s-24.wav", "PCM_24"), ("s-32.wav", "PCM_32"), ("s-8.wav", "PCM_U8"),
    ("s-16.flac", "PCM_16"), ("s-24.flac", "PCM_24"), ("s-8.flac", "PCM_S8"), ("s.aiff", "PCM_24"),
]  # fmt: skip


def decode(path: Path, dtype: SampleType) -> AnySamples:
    with path.open("rb") as file, open_decoder(file, dtype=dtype) as decoder:
        blocks = list(decoder.blocks(1000))
        assert all(block.dtype == dtype and block.flags.c_contiguous for block in blocks)
        return np.concatenate(blocks)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("name", "subtype"), LOSSLESS)
def test_integer_sources_are_what_soundfile_reads(
    media: Media, name: str, subtype: str, dtype: SampleType
) -> None:
    path = media.pcm(name, subtype=subtype, frames=5000)
    expected = soundfile.read(path, dtype=dtype)[0]
    assert np.array_equal(decode(path, dtype), expected)


@pytest.mark.parametrize("dtype", TYPES)
def test_alac_of_16_and_24_bits(media: Media, dtype: SampleType) -> None:
    pytest.importorskip("av")
    for name, options in (("a16.m4a", ()), ("a24.m4a", ("-sample_fmt", "s32p"))):
        path = media.coded(name, "-c:a", "alac", *options, frames=5000)
        source = media.pcm("noisy-5000-2.wav", frames=5000)
        assert np.array_equal(decode(path, dtype), soundfile.read(source, dtype=dtype)[0])


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_float_sources_are_rounded_and_clipped(media: Media, subtype: str) -> None:
    samples = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 7.0, -7.0, 1 / 3, 1.5 / 32768, 2.5 / 32768])
    path = media.folder / f"loud-{subtype}.wav"
    soundfile.write(path, samples.astype("f4"), RATE, subtype=subtype)
    short = [0, 16384, -16384, 32767, -32768, 32767, -32768, 10923, 2, 2]
    assert decode(path, "int16")[:, 0].tolist() == short
    wide = decode(path, "int32")[:, 0]
    assert wide[:7].tolist() == [0, 1 << 30, -1 << 30, 2**31 - 1, -(2**31), 2**31 - 1, -(2**31)]
    assert decode(path, "float32")[5, 0] == decode(path, "float64")[5, 0] == 7.0


@pytest.mark.parametrize("name", ["cbr.mp3", "s.ogg", "s.opus"])
def test_lossy_codecs_are_the_floats_rounded(media: Media, name: str) -> None:
    if name == "s.ogg":
        path = media.pcm(name, subtype="VORBIS", frames=9000)
    else:
        path = media.coded(name, *(("-ar", "48000") if name == "s.opus" else ("-b:a", "128k")))
    floats = decode(path, "float32").astype(np.float64)
    assert np.array_equal(decode(path, "float64"), floats)
    for dtype, scale in (("int16", 2.0**15), ("int32", 2.0**31)):
        expected = np.rint(floats * scale).clip(-scale, scale - 1)
        assert np.array_equal(decode(path, "int16" if dtype == "int16" else "int32"), expected)


def test_seeks_and_read_into_keep_the_type(media: Media) -> None:
    content = media.pcm("s-24.flac", subtype="PCM_24", frames=5000).read_bytes()
    with open_decoder(io.BytesIO(content), dtype="int32") as decoder:
        whole = decoder.read(5000)
        decoder.seek(1234)
        array = np.zeros((10, 2), np.int32)
        assert decoder.read_into(array) == 10
        assert np.array_equal(array, whole[1234:1244])
        with pytest.raises(ValueError, match="int32"):
            decoder.read_into(np.zeros((10, 2), np.float32))


def test_other_types_are_refused() -> None:
    with pytest.raises(ValueError, match="dtype must be one of int16"):
        open_decoder(io.BytesIO(), dtype="int8")  # type: ignore[call-overload]  # what the test is about


@given(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1), st.sampled_from(TYPES))
def test_16_bits_survive_every_type(values: list[int], dtype: SampleType) -> None:
    array = np.array(values, np.int16)
    assert np.array_equal(scaled(scaled(array, dtype), "int16"), array)


def test_bytes_are_centred() -> None:
    assert scaled(np.array([0, 128, 255], np.uint8), "float32").tolist() == [-1, 0, 127 / 128]


def test_what_is_no_number_is_silence() -> None:
    assert scaled(np.array([np.nan, np.inf, -np.inf]), "int16").tolist() == [0, 32767, -32768]


def test_floats_are_rounded_to_even_and_clipped() -> None:
    floats = np.array([1.5, 2.5, -1.5, -2.6, 40_000, -40_000]) / 32768
    for dtype in (np.float32, np.float64):
        short = scaled(floats.astype(dtype), "int16").tolist()
        assert short == [2, 2, -2, -3, 32767, -32768]
