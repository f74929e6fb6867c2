from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile
from decode_files import RATE, Media, Seekable, Unseekable, ffmpeg, ffmpeg_pcm

from kithara_decode import CorruptAudio, Decoder, EncodedLengthMismatch, open_decoder
from kithara_decode._native_decoder import NativeDecoder


def everything(decoder: Decoder) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.concatenate(list(decoder.blocks(4096)))


def vorbis(media: Media) -> Path:
    return media.pcm("vorbis.ogg", subtype="VORBIS", frames=200_000)


def opus(media: Media) -> Path:
    return media.coded("tones.opus", "-c:a", "libopus", "-ar", "48000")


def test_vorbis_is_what_soundfile_reads(media: Media) -> None:
    path = vorbis(media)
    with path.open("rb") as file, open_decoder(file) as decoder:
        assert isinstance(decoder, NativeDecoder)
        assert decoder.frames == 200_000
        pcm = everything(decoder)
    # soundfile brings a libvorbis of its own, whose last bits differ.
    assert np.abs(pcm - soundfile.read(path, dtype="float32")[0]).max() < 1e-6


def test_vorbis_seeks_are_exact(media: Media) -> None:
    content = vorbis(media).read_bytes()
    with open_decoder(Seekable(content, step=3000)) as decoder:
        whole = everything(decoder)
        rng = random.Random(5)
        for _ in range(60):
            frame = rng.randrange(len(whole))
            decoder.seek(frame)
            block = decoder.read(rng.randrange(1, 4000))
            assert np.array_equal(block, whole[frame : frame + len(block)])


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


def test_a_cut_stream_is_never_silently_short(media: Media) -> None:
    content = vorbis(media).read_bytes()
    hole = content[:60_000] + bytes(8000) + content[68_000:]
    with open_decoder(io.BytesIO(hole)) as decoder:
        assert decoder.frames == 200_000
        with pytest.raises(EncodedLengthMismatch):
            everything(decoder)


def test_flac_in_ogg_goes_through_pyav(media: Media) -> None:
    pytest.importorskip("av")
    path = media.coded("flac.ogg", "-c:a", "flac", "-f", "ogg")
    with path.open("rb") as file, open_decoder(file) as decoder:
        whole = everything(decoder)
        assert np.array_equal(whole, ffmpeg_pcm(path, 2))
        for frame in (150_000, 3, 77_777):
            decoder.seek(frame)
            assert np.array_equal(decoder.read(500), whole[frame : frame + 500])


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


def test_real_files(corpora: Path) -> None:
    for name in ("bear.opus", "bear_vorbis.ogg", "bear_flac.ogg", "bear_duplicate_header.opus"):
        path = corpora / "audio/media3" / name
        with path.open("rb") as file, open_decoder(file) as decoder:
            frames = len(everything(decoder))
        assert frames == {"bear.opus": 131_520, "bear_duplicate_header.opus": 131_520}.get(
            name, 131_568
        )
