from __future__ import annotations

import io
import random
import re
import tracemalloc
from itertools import takewhile
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile
from decode_files import Media, Seekable, Unseekable, ffmpeg, ffmpeg_pcm

from kithara_decode import (
    CorruptAudio,
    Decoder,
    EncodedLengthMismatch,
    SeekRefused,
    UnsupportedFormat,
    open_decoder,
)
from kithara_decode._pcm import SampleType
from kithara_decode._scale import scaled

pytest.importorskip("av")

FRAMES = 80_000
CODED = {
    "tail.m4a": ("-c:a", "aac"),
    "fast.m4a": ("-c:a", "aac", "-movflags", "+faststart"),
    "frag.mp4": ("-c:a", "aac", "-movflags", "+empty_moov", "-frag_duration", "500000"),
    "plain.aac": ("-c:a", "aac"),
    "plain.ac3": ("-c:a", "ac3"),
    "plain.eac3": ("-c:a", "eac3"),
    "audio.ts": ("-c:a", "aac"),
    "audio.mka": ("-c:a", "aac"),
    "alac.m4a": ("-c:a", "alac", "-movflags", "+faststart"),
    "alac24.m4a": ("-c:a", "alac", "-sample_fmt", "s32p", "-movflags", "+faststart"),
}  # fmt: skip


def everything(decoder: Decoder[np.float32]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.concatenate(list(decoder.blocks(4096)))


@pytest.mark.parametrize("name", CODED)
def test_frames_and_samples_are_those_of_ffmpeg(media: Media, name: str) -> None:
    path = media.coded(name, *CODED[name], frames=FRAMES)
    expected = ffmpeg_pcm(path, 2)
    with path.open("rb") as file, open_decoder(file) as decoder:
        pcm = everything(decoder)
        assert pcm.flags.c_contiguous
        if name in ("tail.m4a", "fast.m4a"):  # an edit ends the sound; older ffmpegs play past it
            assert decoder.frames == len(pcm)
            assert abs(len(pcm) - FRAMES) < 44  # the edit counts in milliseconds
            expected = expected[: len(pcm)]
        assert len(pcm) == len(expected)
    assert np.abs(pcm - expected).max() < 1e-4


def test_alac_is_lossless(media: Media) -> None:
    path = media.coded("alac.m4a", *CODED["alac.m4a"], frames=FRAMES)
    source = media.pcm(f"noisy-{FRAMES}-2.wav", frames=FRAMES)
    with path.open("rb") as file, open_decoder(file) as decoder:
        assert np.array_equal(everything(decoder), soundfile.read(source, dtype="float32")[0])


@pytest.mark.parametrize("bits", ["s16", "s32"])
def test_integer_samples_are_scaled_as_ffmpeg_does(media: Media, bits: str) -> None:
    path = media.coded(f"scaled-{bits}.mka", "-c:a", "flac", "-sample_fmt", bits, frames=FRAMES)
    with path.open("rb") as file, open_decoder(file) as decoder:
        assert np.array_equal(everything(decoder), ffmpeg_pcm(path, 2))


@pytest.mark.parametrize("name", [name for name in CODED if name != "tail.m4a"])
@pytest.mark.parametrize("head", [b"", b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)])
def test_unseekable_input_gives_the_same_samples(media: Media, name: str, head: bytes) -> None:
    content = media.coded(name, *CODED[name], frames=FRAMES).read_bytes()
    with open_decoder(io.BytesIO(content)) as decoder:
        whole = everything(decoder)
    with open_decoder(Unseekable(head + content, step=5000)) as decoder:
        assert np.array_equal(everything(decoder), whole)
        with pytest.raises(SeekRefused):
            decoder.seek(0)


@pytest.mark.parametrize("dtype", get_args(SampleType))
@pytest.mark.parametrize("name", ["fast.m4a", "plain.aac", "alac.m4a", "audio.ts", "flac.mka"])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_reads_of_any_size_give_the_same_samples(
    media: Media, name: str, dtype: SampleType, channels: int
) -> None:
    options = CODED.get(name, ("-c:a", "flac"))
    content = media.coded(name, *options, frames=20_000, channels=channels).read_bytes()
    rng = random.Random(name)
    with open_decoder(io.BytesIO(content)) as decoder:
        whole = scaled(decoder.read(30_000), dtype)
    with open_decoder(io.BytesIO(content), dtype=dtype) as decoder:
        sizes = iter(lambda: rng.choice((1, 100, 1023, 1024, 1025, 4096)), 0)
        parts = list(takewhile(len, map(decoder.read, sizes)))
    found = np.concatenate(parts)
    assert found.dtype == dtype
    assert np.array_equal(found, whole)


def test_an_index_at_the_tail_of_unseekable_input_is_an_error(media: Media) -> None:
    content = media.coded("tail.m4a", *CODED["tail.m4a"], frames=FRAMES).read_bytes()
    with pytest.raises(UnsupportedFormat, match="behind the sound"):
        open_decoder(Unseekable(content))


def test_seeks_beyond_an_untold_end_are_refused(media: Media) -> None:
    content = media.coded("plain.aac", *CODED["plain.aac"], frames=FRAMES).read_bytes()
    with open_decoder(Seekable(content)) as decoder:
        whole = everything(decoder)
        decoder.seek(500)
        with pytest.raises(SeekRefused):
            decoder.seek(10**8)
        assert decoder.position == 500
        assert np.array_equal(decoder.read(100), whole[500:600])


def test_a_cut_mp4_is_never_silently_short(media: Media) -> None:
    content = media.coded("fast.m4a", *CODED["fast.m4a"], frames=FRAMES).read_bytes()
    decoder = open_decoder(io.BytesIO(content[: len(content) // 2]))
    with decoder, pytest.raises(EncodedLengthMismatch) as mismatch:
        everything(decoder)
    assert mismatch.value.promised == decoder.frames


def test_a_seek_after_a_failed_read_reads_what_it_needs(media: Media) -> None:
    path = media.coded("long.m4a", "-c:a", "aac", frames=2_000_000)
    probe = Seekable(path.read_bytes(), step=4096)
    with open_decoder(probe) as decoder:
        decoder.read(1)
        opened = probe.reads
        decoder.seek(1_900_000)
        expected = decoder.read(1000)
    file = Seekable(path.read_bytes(), step=4096)
    with open_decoder(file) as decoder:
        file.fail_at = opened + 1
        with pytest.raises(ConnectionError):
            decoder.read(500_000)
        failed = file.reads
        decoder.seek(1_900_000)
        assert np.array_equal(decoder.read(1000), expected)
    # It opens once more, and jumps.
    assert file.reads - failed <= probe.reads


def test_fragmented_mp4_is_not_walked_to_its_end(media: Media) -> None:
    path = media.coded("long-frag.mp4", *CODED["frag.mp4"], frames=600_000)
    content = path.read_bytes()

    class Watched(Seekable):
        touched = 0

        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # narrower
            got = super().readinto(buffer)
            self.touched = max(self.touched, self._inner.tell())
            return got

    file = Watched(content, step=4096)
    with open_decoder(file) as decoder:
        decoder.read(100)
        assert file.touched < len(content) // 2


def test_muxed_video_is_left_alone(media: Media) -> None:
    path = media.folder / "muxed.ts"
    source = media.pcm(f"noisy-{FRAMES}-2.wav", frames=FRAMES)
    picture = "testsrc=size=64x64:rate=10:duration=4"
    ffmpeg("-f", "lavfi", "-i", picture, "-i", source, "-c:a", "aac", "-g", "10", path)
    with open_decoder(Unseekable(path.read_bytes())) as decoder:
        assert len(everything(decoder)) == len(ffmpeg_pcm(path, 2))


def test_video_alone_has_no_audio(media: Media) -> None:
    path = media.folder / "mute.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x64:rate=10:duration=1", path)
    with path.open("rb") as file, pytest.raises(UnsupportedFormat, match="no audio stream"):
        open_decoder(file)


def test_invalid_text_in_tags_does_no_harm(media: Media) -> None:
    path = media.coded("title.m4a", "-c:a", "aac", "-metadata", "title=AAAA", frames=20_000)
    content = path.read_bytes().replace(b"AAAA", b"\xff\xfe\xff\xfe")
    with open_decoder(io.BytesIO(content)) as decoder:
        assert "title" in decoder.tags


@pytest.mark.parametrize("keep", [4, 10, 40])
def test_cut_headers_are_typed_errors(media: Media, keep: int) -> None:
    for name in CODED:
        content = media.coded(name, *CODED[name], frames=FRAMES).read_bytes()[:keep]
        with pytest.raises((CorruptAudio, UnsupportedFormat)) as refusal:
            open_decoder(io.BytesIO(content))
        assert "\n" not in str(refusal.value)


def test_a_box_takes_no_more_memory_than_it_has_bytes(media: Media) -> None:
    content = bytearray(media.coded("fast.m4a", *CODED["fast.m4a"], frames=FRAMES).read_bytes())
    content[:4] = (1 << 30).to_bytes(4)
    tracemalloc.start()
    try:
        with pytest.raises((CorruptAudio, UnsupportedFormat)):
            open_decoder(Unseekable(bytes(content)))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def joined(folder: Path, playlist: str) -> bytes:
    """The init section and all segments of a media playlist, one behind the other."""
    text = (folder / playlist).read_text()
    names = re.findall(r'MAP:URI="([^"]+)"|^([^#\s].*?)\s*$', text, re.MULTILINE)
    return b"".join((folder / (init or segment)).read_bytes() for init, segment in names)


@pytest.mark.parametrize(
    ("folder", "playlist", "frames"),
    [
        ("kithara-aac-ladder", "index-slq-a1.m3u8", 9_712_640),
        ("kithara-aac-ladder", "index-shq-a1.m3u8", 9_712_640),
        ("shaka-hls-raw-aac", "stream.m4a.m3u8", 881_664),
        ("shaka-hls-ts-aac", "playlist.m3u8", None),
        ("shaka-hls-multivideo", "low_pitch_128k.m3u8", None),
        ("media3-cmaf-multi-segment", "stream_0.m3u8", 133_120),  # its edit starts at 1,024
    ],
)
def test_hls_spans(corpora: Path, folder: str, playlist: str, frames: int | None) -> None:
    place = corpora / "hls" / folder
    with open_decoder(Unseekable(joined(place, playlist), step=16384)) as decoder:
        produced = sum(len(block) for block in decoder.blocks(8192))
    expected = frames or len(ffmpeg_pcm(place / playlist, decoder.spec.channels))
    assert produced == expected


def test_a_span_from_the_middle_keeps_its_first_packet(corpora: Path) -> None:
    folder = corpora / "hls/media3-cmaf-multi-segment"
    content = b"".join(
        (folder / name).read_bytes() for name in ("audio_init.mp4", "audio_5.m4s", "audio_6.m4s")
    )
    with open_decoder(Unseekable(content)) as decoder:
        assert len(everything(decoder)) == 21 * 1024


@pytest.mark.parametrize(
    ("name", "told"), [("fast.m4a", True), ("alac.m4a", True), ("plain.aac", False)]
)
def test_damaged_packets_are_counted(media: Media, name: str, told: bool) -> None:
    content = bytearray(media.coded(name, *CODED[name], frames=FRAMES).read_bytes())
    with open_decoder(io.BytesIO(content)) as decoder:
        whole = everything(decoder)
    middle = len(content) * 2 // 3
    header = bytes(content[:7])
    at = content.find(header[:3], middle) if name == "plain.aac" else middle
    content[at + 7 : at + 2600] = b"\xff" * 2593
    with open_decoder(io.BytesIO(content)) as decoder:
        found = everything(decoder)
        assert decoder.losses
        assert all((loss.frames is not None) == told for loss in decoder.losses)
        if told:
            assert len(found) == len(whole)
            loss = decoder.losses[0]
            assert not found[loss.frame : loss.frame + (loss.frames or 0)].any()
            decoder.seek(loss.frame + 10)
            assert decoder.position == loss.frame + 10
            assert len(everything(decoder)) == len(whole) - loss.frame - 10
    with pytest.raises(CorruptAudio), open_decoder(io.BytesIO(content), strict=True) as decoder:
        everything(decoder)
