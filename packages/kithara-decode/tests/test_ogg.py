from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile
from decode_files import RATE, Media, Seekable, Unseekable, ffmpeg, ffmpeg_pcm

from kithara_decode import (
    AudioStream,
    CorruptAudio,
    Decoder,
    EncodedLengthMismatch,
    SeekRefused,
    open_decoder,
)
from kithara_decode._native_decoder import NativeDecoder


def everything(decoder: Decoder[np.float32]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.concatenate(list(decoder.blocks(4096)))


def vorbis(media: Media) -> Path:
    return media.pcm("vorbis.ogg", subtype="VORBIS", frames=200_000)


def opus(media: Media) -> Path:
    return media.coded("tones.opus", "-c:a", "libopus", "-ar", "48000")


def test_vorbis_is_what_soundfile_reads(media: Media) -> None:
    path = vorbis(media)
    with path.open("rb") as file, open_decoder(file) as decoder:
        assert NativeDecoder in type(decoder).__mro__
        assert decoder.frames == 200_000
        pcm = everything(decoder)
    # soundfile brings a libvorbis of its own, whose last bits differ.
    assert np.abs(pcm - soundfile.read(path, dtype="float32")[0]).max() < 1e-6


def test_opus_has_the_frames_of_ffmpeg_and_seeks_to_them(media: Media) -> None:
    path = opus(media)
    with open_decoder(io.BytesIO(path.read_bytes())) as decoder:
        assert decoder.spec.sample_rate == 48000
        whole = everything(decoder)
        assert len(whole) == decoder.frames == len(ffmpeg_pcm(path, 2))
        rng = random.Random(6)
        for _ in range(30):
            frame = rng.randrange(len(whole) - 5000)
            decoder.seek(frame)
            # After a seek Opus converges instead of being equal from the first bit on.
            assert np.abs(decoder.read(4000) - whole[frame : frame + 4000]).max() < 0.01


@pytest.mark.parametrize("make", [vorbis, opus])
def test_unseekable_input_gives_the_same_samples(media: Media, make: object) -> None:
    assert callable(make)
    content = make(media).read_bytes()
    with open_decoder(io.BytesIO(content)) as decoder:
        whole = everything(decoder)
    with open_decoder(Unseekable(content, step=999)) as decoder:
        assert decoder.frames is None
        assert np.array_equal(everything(decoder), whole)


def test_chained_streams_are_one(media: Media) -> None:
    first = vorbis(media).read_bytes()
    second = media.pcm("second.ogg", subtype="VORBIS", frames=70_000).read_bytes()
    with open_decoder(io.BytesIO(first + second)) as decoder:
        assert decoder.frames == 270_000
        assert len(everything(decoder)) == 270_000
        decoder.seek(260_000)
        assert len(everything(decoder)) == 10_000


def test_a_first_link_of_one_page_keeps_its_format(media: Media) -> None:
    first, second = (
        media.coded(f"page-{count}.ogg", "-c:a", "libvorbis", "-ac", count, frames=20_000)
        for count in ("1", "2")
    )
    alone = open_decoder(io.BytesIO(first.read_bytes())).read(30_000)
    with open_decoder(io.BytesIO(first.read_bytes() + second.read_bytes())) as decoder:
        assert np.array_equal(decoder.read(len(alone)), alone)


@pytest.mark.parametrize("codec", ["libvorbis", "libopus", "flac"])
def test_tags_are_those_of_the_link_that_is_read(media: Media, codec: str) -> None:
    options = ("-c:a", codec, "-ar", "48000", "-metadata")
    content = b"".join(
        media.coded(f"{codec}-{title}.ogg", *options, f"title={title}", frames=30_000).read_bytes()
        for title in ("one", "two")
    )
    with open_decoder(Unseekable(content, step=999)) as decoder:
        titles = [decoder.tags["title"] for _ in decoder.blocks(5_000)]
        assert decoder.losses == ()
    assert titles == sorted(titles)
    assert titles.count("one") in range(5, 8)
    with AudioStream(Unseekable(content), chunk_frames=5_000) as stream:
        assert [chunk.tags["title"] for chunk in stream] == titles
        assert stream.tags["title"] == "one"
    with open_decoder(io.BytesIO(content)) as decoder:
        for start, title in ((0, "one"), (50_000, "two"), (5_000, "one")):
            decoder.seek(start)
            decoder.read(1000)
            assert decoder.tags["title"] == title
            (raw,) = [text for name, text in decoder.raw_tags if name.lower() == "title"]
            assert raw == title
    assert decoder.tags["title"] == "one"


CODECS = {
    "libvorbis": ("-q:a", "10"),
    "libopus": ("-b:a", "256k", "-ar", "48000"),
    "flac": (),
}


def link(media: Media, codec: str, serial: str, frames: int) -> bytes:
    name = f"link-{codec}-{serial}.ogg"
    options = ("-c:a", codec, *CODECS[codec], "-fflags", "+bitexact", "-serial_offset", serial)
    return media.coded(name, *options, frames=frames).read_bytes()


@pytest.mark.parametrize("order", ["aa", "aba", "aaa", "aab", "abb", "abab"])
@pytest.mark.parametrize("codec", CODECS)
def test_links_that_share_a_serial_number_are_told_apart(
    media: Media, codec: str, order: str
) -> None:
    links = {"a": link(media, codec, "1", 20_000), "b": link(media, codec, "2", 15_000)}
    content = b"".join(links[name] for name in order)
    alone = {name: everything(open_decoder(io.BytesIO(one))) for name, one in links.items()}
    expected = np.concatenate([alone[name] for name in order])
    for file_type in (Seekable, Unseekable):
        with open_decoder(file_type(content)) as decoder:
            assert decoder.frames is None
            assert np.array_equal(everything(decoder), expected)
            assert decoder.losses == ()
    with open_decoder(io.BytesIO(content)) as decoder:
        for frame in (len(expected) - 3000, 16_000, 0, len(alone["a"]) + 7):
            decoder.seek(frame)
            assert np.array_equal(decoder.read(2000), expected[frame : frame + 2000])
        with pytest.raises(SeekRefused):
            decoder.seek(len(expected) + 1)


@pytest.mark.parametrize("codec", CODECS)
def test_a_short_link_before_one_of_its_serial_number_is_told_when_it_is_met(
    media: Media, codec: str
) -> None:
    links = [link(media, codec, "1", frames) for frames in (20_000, 200_000)]
    expected = np.concatenate([everything(open_decoder(io.BytesIO(one))) for one in links])
    with open_decoder(io.BytesIO(b"".join(links))) as decoder:
        assert np.array_equal(everything(decoder), expected)
        assert decoder.frames is None
        assert decoder.losses == ()
        for frame in (50_000, 5000):
            decoder.seek(frame)
            assert np.array_equal(decoder.read(2000), expected[frame : frame + 2000])


@pytest.mark.parametrize("codec", CODECS)
def test_a_link_without_readable_headers_is_passed_over_and_told(media: Media, codec: str) -> None:
    first, second = (link(media, codec, serial, 20_000) for serial in "12")
    name = {"libvorbis": b"\x01vorbis", "libopus": b"OpusHead", "flac": b"fLaC"}[codec]
    damaged = second.replace(name, b"........", 1)
    alone = everything(open_decoder(io.BytesIO(first)))
    content = first + damaged + first
    with open_decoder(Unseekable(content)) as decoder:
        assert np.array_equal(everything(decoder), np.concatenate([alone, alone]))
        (loss,) = decoder.losses
        assert (loss.frame, loss.frames) == (len(alone), None)
    with open_decoder(Unseekable(content), strict=True) as decoder:
        assert np.array_equal(decoder.read(len(content)), alone)
        with pytest.raises(CorruptAudio):
            decoder.read(1)


@pytest.mark.parametrize("codec", CODECS)
def test_headers_without_sound_are_a_link_of_no_frames(media: Media, codec: str) -> None:
    content = link(media, codec, "1", 20_000)
    pages = [at for at in range(len(content)) if content.startswith(b"OggS", at)]
    sound = next(at for at in pages if content[at + 6 : at + 14] not in (bytes(8), b"\xff" * 8))
    alone = everything(open_decoder(io.BytesIO(content)))
    for file_type in (Seekable, Unseekable):
        with open_decoder(file_type(content[:sound] + content)) as decoder:
            assert np.array_equal(everything(decoder), alone)
            assert decoder.losses == ()


def test_a_cut_stream_is_never_silently_short(media: Media) -> None:
    for make in (vorbis, opus):
        content = make(media).read_bytes()
        with open_decoder(Unseekable(content[: len(content) // 2])) as decoder:
            assert len(everything(decoder)) in range(80_000, 140_000)
        with open_decoder(io.BytesIO(content)) as decoder:
            promised = decoder.frames
        headless = content.rfind(b"OggS")
        with open_decoder(io.BytesIO(content[:headless])) as decoder:
            assert promised is not None
            assert decoder.frames is not None  # what is left is all that Ogg can promise
            assert len(everything(decoder)) == decoder.frames < promised


@pytest.mark.parametrize("file_type", [Seekable, Unseekable])
@pytest.mark.parametrize("make", [vorbis, opus])
def test_a_hole_is_silence_and_counted(
    media: Media, make: object, file_type: type[Seekable]
) -> None:
    assert callable(make)
    content = make(media).read_bytes()
    with open_decoder(io.BytesIO(content)) as decoder:
        whole = everything(decoder)
    start = len(content) // 2
    hole = content[:start] + bytes(8000) + content[start + 8000 :]
    with open_decoder(file_type(hole)) as decoder:
        found = everything(decoder)
        (loss,) = decoder.losses
        assert loss.frames
        assert len(found) == len(whole)
        lost = slice(loss.frame, loss.frame + loss.frames)
        assert not found[lost].any()
        assert np.abs(found[lost.stop + 48_000 :] - whole[lost.stop + 48_000 :]).max() < 0.01
    with (
        open_decoder(file_type(hole), strict=True) as decoder,
        pytest.raises(CorruptAudio, match="packets are missing"),
    ):
        everything(decoder)


@pytest.mark.parametrize("channels", [3, 4, 5, 6, 8])
def test_channels_are_in_the_order_of_wav(media: Media, channels: int) -> None:
    path = media.coded(f"many-{channels}.ogg", "-c:a", "libvorbis", frames=9000, channels=channels)
    with path.open("rb") as file, open_decoder(file) as decoder:
        assert decoder.spec.channels == channels
        expected = ffmpeg_pcm(path, channels)[:9000]  # older ffmpegs play past the end
        assert np.abs(everything(decoder) - expected).max() < 1e-4


def test_comments_are_tags(media: Media) -> None:
    source = media.pcm("source-tag.wav", frames=5000)
    path = media.folder / "tagged.ogg"
    ffmpeg("-i", source, "-metadata", "TITLE=a=b", "-c:a", "libvorbis", path)
    with path.open("rb") as file, open_decoder(file) as decoder:
        assert decoder.tags["title"] == "a=b"
        assert decoder.spec.sample_rate == RATE


def test_headers_alone_are_corrupt(media: Media) -> None:
    content = vorbis(media).read_bytes()[:60]
    with pytest.raises(CorruptAudio):
        open_decoder(Unseekable(content))


def test_the_total_of_the_first_flac_link_is_not_the_length(corpora: Path, media: Media) -> None:
    first = (corpora / "audio/media3/bear_flac.ogg").read_bytes()
    second = media.coded("flac-60000.ogg", "-c:a", "flac", frames=60_000).read_bytes()
    for content, frames in ((first, 131_568), (first + second, None), (first + first, None)):
        with open_decoder(io.BytesIO(content)) as decoder:
            assert decoder.frames == frames
    with open_decoder(Unseekable(first[:100_000])) as decoder:
        assert decoder.frames is None
        with pytest.raises(EncodedLengthMismatch):
            everything(decoder)
