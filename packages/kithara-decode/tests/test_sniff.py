from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from decode_files import Media, Unseekable
from hypothesis import given
from hypothesis import strategies as st

from kithara_decode._input import Input
from kithara_decode._sniff import find_frames, sniff

ID3 = b"ID3\x04\x00\x00\x00\x00\x10\x00" + bytes(2048)  # 16 << 7


def test_what_soundfile_writes(media: Media) -> None:
    for suffix, container in (
        ("wav", "wav"), ("aiff", "aiff"), ("caf", "caf"), ("w64", "w64"),
        ("rf64", "rf64"), ("au", "au"), ("flac", "flac"), ("ogg", "ogg"),
    ):  # fmt: skip
        subtype = "VORBIS" if suffix == "ogg" else "PCM_16"
        content = media.pcm(f"sniff.{suffix}", subtype=subtype).read_bytes()
        assert sniff(Input(io.BytesIO(content))) == container
        assert sniff(Input(Unseekable(ID3 + ID3 + content))) == container


@pytest.mark.parametrize(
    ("name", "options", "container"),
    [
        ("sniff.mp3", (), "mp3"),
        ("sniff.mp2", (), "mp3"),
        ("sniff.aac", (), "adts"),
        ("sniff.ac3", (), "ac3"),
        ("sniff.eac3", (), "eac3"),
        ("sniff.m4a", (), "mp4"),
        ("sniff.ts", ("-c:a", "aac"), "mpegts"),
        ("sniff.mka", ("-c:a", "aac"), "matroska"),
    ],
)
def test_what_ffmpeg_writes(
    media: Media, name: str, options: tuple[str, ...], container: str
) -> None:
    content = media.coded(name, *options, frames=30_000).read_bytes()
    assert sniff(Input(io.BytesIO(content))) == container
    assert sniff(Input(Unseekable(ID3 + content, step=7))) == container


def test_mpeg_audio_in_a_wav_file_is_mpeg_audio(media: Media) -> None:
    content = media.coded("sniff-mp3.wav", "-c:a", "libmp3lame", frames=30_000).read_bytes()
    source = Input(io.BytesIO(content))
    assert sniff(source) == "mp3"
    assert source.head(2) == b"\xff\xfb"


@pytest.mark.parametrize("junk", [1, 3_000, 200_000])
@pytest.mark.parametrize("name", ["sniff.mp3", "sniff.aac"])
def test_frames_behind_junk(media: Media, name: str, junk: int) -> None:
    content = media.coded(name, frames=30_000).read_bytes()
    noise = random.Random(junk).randbytes(junk)
    assert sniff(Input(io.BytesIO(noise + content))) == ("mp3" if name.endswith("mp3") else "adts")


def test_a_tag_with_false_syncs_does_not_hide_flac(media: Media) -> None:
    flac = media.pcm("sniff.flac").read_bytes()
    tag = b"ID3\x03\x00\x00" + bytes([0, 0x40, 0, 0]) + b"\xff\xfb" * (1 << 19)
    assert sniff(Input(io.BytesIO(tag + flac))) == "flac"


@pytest.mark.parametrize(
    ("content", "container"),
    [
        (b"", ""),
        (b"  \r\n<!DOCTYPE html><p>404", "html"),
        (b"\xef\xbb\xbf<HTML>", "html"),
        (b"#EXTM3U\n", "hls"),
        (b'{"error": "not found"}', None),
        (bytes(5000), None),
        (b"\xff" * 5000, None),
    ],
)
def test_no_audio(content: bytes, container: str | None) -> None:
    assert sniff(Input(io.BytesIO(content))) == container


def test_random_bytes_are_nothing() -> None:
    for seed in range(8):
        noise = random.Random(seed).randbytes(300_000)
        assert find_frames(noise, at_end=True) is None


@given(st.binary(max_size=400))
def test_any_bytes_are_answered(content: bytes) -> None:
    sniff(Input(io.BytesIO(content)))
    sniff(Input(io.BytesIO(b"\xff\xfb\x90\x64" + content)))


def test_mpeg_layers_and_free_format(corpora: Path) -> None:
    for path in sorted((corpora / "audio/minimp3").glob("*.bit")):
        with path.open("rb") as file:
            assert sniff(Input(file)) == "mp3", path.name
