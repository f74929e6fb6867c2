"""Twelve kinds of input that other decoders get wrong, most of them without a word."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from decode_files import Media, Seekable, Unseekable, ffmpeg_pcm, mpg123_pcm

from kithara_decode import FormatChanged, open_decoder
from kithara_decode._pcm import AnySamples


def everything(content: bytes, file_type: type[Seekable] = Seekable) -> AnySamples:
    with open_decoder(file_type(content)) as decoder:
        return np.concatenate(list(decoder.blocks(4096)))


def bare_mp3(media: Media) -> Path:
    return media.coded("bare.mp3", "-q:a", "4", "-write_xing", "0")


def test_1_vbr_mp3_without_a_header_is_decoded_to_its_end(media: Media) -> None:
    path = bare_mp3(media)
    assert np.array_equal(everything(path.read_bytes()), mpg123_pcm(path, 2))
    assert len(mpg123_pcm(path, 2)) >= 200_000


def test_2_vorbis_seeks(corpora: Path) -> None:
    content = (corpora / "audio/media3/bear_vorbis.ogg").read_bytes()
    whole = everything(content)
    rng = random.Random(2)
    with open_decoder(Seekable(content)) as decoder:
        for _ in range(150):
            frame = rng.randrange(len(whole))
            decoder.seek(frame)
            assert np.array_equal(decoder.read(700), whole[frame : frame + 700])


def test_3_opus_seeks_and_six_channels(corpora: Path, media: Media) -> None:
    content = (corpora / "audio/media3/bear.opus").read_bytes()
    whole = everything(content)
    rng = random.Random(3)
    with open_decoder(Seekable(content)) as decoder:
        for _ in range(40):
            frame = rng.randrange(len(whole) - 5000)
            decoder.seek(frame)
            block, there = decoder.read(4000), whole[frame : frame + 4000]
            noise = np.sqrt(np.mean((block - there) ** 2)) + 1e-9
            # 48 frames off, or any other number, and hardly a bit of it would agree.
            assert np.sqrt(np.mean(there**2)) / noise > 100, frame
    path = media.coded("six.opus", "-c:a", "libopus", "-ar", "48000", frames=60_000, channels=6)
    with path.open("rb") as file, open_decoder(file) as decoder:
        assert (decoder.spec.sample_rate, decoder.spec.channels) == (48_000, 6)
        assert decoder.spec.layout == "5.1"
        pcm, expected = decoder.read(10**6), ffmpeg_pcm(path, 6)
        assert len(pcm) == decoder.frames == len(expected)
        assert np.abs(pcm - expected).max() < 0.01  # in the order of WAV, too


@pytest.mark.parametrize("file_type", [Seekable, Unseekable])
@pytest.mark.parametrize("codec", ["libvorbis", "libopus", "flac"])
def test_4_every_link_of_a_chained_ogg(media: Media, codec: str, file_type: type[Seekable]) -> None:
    links = [
        media.coded(f"{codec}-{frames}.ogg", "-c:a", codec, "-ar", "48000", frames=frames)
        for frames in (60_000, 80_000)
    ]
    parts = [everything(path.read_bytes()) for path in links]
    whole = everything(b"".join(path.read_bytes() for path in links), file_type)
    assert np.abs(whole - np.concatenate(parts)).max() < 1e-3
    assert len(whole) == sum(map(len, parts))
    if file_type is Seekable:
        with open_decoder(Seekable(b"".join(path.read_bytes() for path in links))) as decoder:
            assert decoder.frames == (None if codec == "flac" else len(whole))
            for frame in (len(whole) - 9000, 100, len(parts[0]) - 10, len(parts[0]) + 10):
                decoder.seek(frame)
                assert np.abs(decoder.read(800) - whole[frame : frame + 800]).max() < 0.02


def test_5_flac_in_ogg_and_of_odd_depths(corpora: Path) -> None:
    for name in ("media3/bear_flac.ogg", "flac-test-files/22_-_12_bit_per_sample.flac",
                 "flac-test-files/37_-_20_bit_per_sample.flac"):  # fmt: skip
        path = corpora / "audio" / name
        whole = ffmpeg_pcm(path, 2)
        rng = random.Random(5)
        with path.open("rb") as file, open_decoder(file) as decoder:
            assert np.array_equal(np.concatenate(list(decoder.blocks(50_000))), whole)
            for _ in range(30):
                frame = rng.randrange(len(whole))
                decoder.seek(frame)
                assert np.array_equal(decoder.read(999), whole[frame : frame + 999])


def test_6_flac_with_a_wrong_total(media: Media) -> None:
    content = bytearray(media.pcm("flac-16.flac", frames=30_000).read_bytes())
    whole = everything(bytes(content))
    content[22:26] = (20_000).to_bytes(4)
    assert np.array_equal(everything(bytes(content)), whole)  # more than promised is no loss


def test_7_mp3_with_a_hole_and_behind_garbage(media: Media) -> None:
    content = bare_mp3(media).read_bytes()
    whole = everything(content)
    half = len(content) // 2
    with open_decoder(io.BytesIO(content[:half] + bytes(60_000) + content[half:])) as decoder:
        holed = np.concatenate(list(decoder.blocks(4096)))
        (loss,) = decoder.losses
        assert loss.frame in range(90_000, 110_000)
    assert np.array_equal(holed[:90_000], whole[:90_000])
    assert np.array_equal(holed[-90_000:], whole[-90_000:])
    garbage = random.Random(7).randbytes(200_000)
    behind = everything(garbage + content)
    assert np.array_equal(behind[-190_000:], whole[-190_000:])


@pytest.mark.parametrize("name", ["bare.mp3", "flac-16.flac"])
def test_8_a_large_cover_full_of_sync_words(media: Media, name: str) -> None:
    path = bare_mp3(media) if name.endswith("mp3") else media.pcm(name, frames=30_000)
    content = path.read_bytes()
    size = 3_000_000
    field = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    tagged = b"ID3\x04\x00\x00" + field + b"\xff\xfb" * (size // 2) + content

    class Watched(Seekable):
        bytes_read = 0

        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # narrower
            got = super().readinto(buffer)
            self.bytes_read += got
            return got

    file = Watched(tagged)
    with open_decoder(file) as decoder:
        first = decoder.read(1000)
        assert file.bytes_read < 300_000
    assert np.array_equal(first, everything(content)[:1000])
    assert np.array_equal(everything(tagged, Unseekable), everything(content))


@pytest.mark.parametrize("name", ["bare.mp3", "times-out.flac", "times-out.ogg"])
def test_9_a_read_that_times_out_once_loses_nothing(media: Media, name: str) -> None:
    subtype = "VORBIS" if name.endswith("ogg") else "PCM_16"
    if name.endswith("mp3"):
        content = bare_mp3(media).read_bytes()
    else:
        content = media.pcm(name, subtype=subtype, frames=500_000).read_bytes()
    whole = everything(content)
    probe = Seekable(content, step=1000)
    with open_decoder(probe) as decoder:
        opened = probe.reads
        decoder.read(10**6)
    for number in random.Random(9).sample(range(opened + 1, probe.reads), 8):
        file = Seekable(content, step=1000)
        file.fail_at, file.error = number, TimeoutError()
        found = []
        with open_decoder(file) as decoder:
            while decoder.position < len(whole):
                try:
                    found.append(decoder.read(1000))
                except TimeoutError:
                    decoder.seek(decoder.position)
        assert np.array_equal(np.concatenate(found), whole)


def test_10_the_bytes_behind_the_sound_are_not_needed(media: Media) -> None:
    content = media.pcm("wav-PCM_16.wav", frames=30_000).read_bytes()
    tail = b"LIST" + (50_000).to_bytes(4, "little") + bytes(50_000)
    file = Seekable(content + tail, step=4096)
    with open_decoder(file) as decoder:
        assert len(decoder.read(1000)) == 1000
        assert file.reads <= 16 + 2  # 64 KiB of buffer and the header


def test_11_mp3_priming(media: Media) -> None:
    exact = everything(media.coded("cbr.mp3", "-b:a", "128k").read_bytes())
    bare = everything(bare_mp3(media).read_bytes())
    assert len(exact) == 200_000
    assert len(bare) - len(exact) in range(1105, 3000)  # nobody tells what to cut


def test_12_a_format_that_changes_and_a_size_that_is_untold(media: Media) -> None:
    stereo = bare_mp3(media).read_bytes()
    mono = media.coded("mono.mp3", "-write_xing", "0", channels=1)
    with open_decoder(io.BytesIO(stereo + mono.read_bytes())) as decoder:
        with pytest.raises(FormatChanged, match="44100 Hz and 1 channels"):
            for _ in decoder.blocks(4096):
                pass
        assert decoder.next_span()
        behind = np.concatenate(list(decoder.blocks(4096)))
        assert behind.shape == mpg123_pcm(mono, 1).shape
    for size in (bytes(4), b"\xff" * 4):
        wav = bytearray(media.pcm("wav-PCM_16.wav", frames=30_000).read_bytes())
        wav[4:8] = wav[40:44] = size
        for file_type in (Seekable, Unseekable):
            assert len(everything(bytes(wav), file_type)) == 30_000
