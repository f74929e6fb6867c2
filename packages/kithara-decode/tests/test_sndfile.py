from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile
from decode_files import RATE, Media, Seekable, Unseekable, sound

from kithara_decode import (
    CorruptAudio,
    EncodedLengthMismatch,
    PcmSpec,
    SeekRefused,
    UnsupportedFormat,
    open_decoder,
)
from kithara_decode._sndfile import SndfileDecoder

FILES = [
    *((f"{suffix}-{subtype}.{suffix}", subtype)
      for suffix in ("wav", "aiff", "caf", "w64", "rf64", "au")
      for subtype in ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW")),
    ("u8.wav", "PCM_U8"),
    ("s8.aiff", "PCM_S8"),
    ("ima.wav", "IMA_ADPCM"),
]  # fmt: skip


def oracle(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return soundfile.read(path, dtype="float32", always_2d=True)[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "subtype"), FILES)
def test_bit_for_bit_with_soundfile(media: Media, name: str, subtype: str) -> None:
    path = media.pcm(name, subtype=subtype, frames=30_000)
    expected = oracle(path)
    with path.open("rb") as file, open_decoder(file) as decoder:
        assert SndfileDecoder in type(decoder).__mro__
        assert decoder.spec == PcmSpec(sample_rate=RATE, channels=2)
        assert decoder.frames == len(expected)
        pcm = np.concatenate(list(decoder.blocks(1000)))
        assert pcm.dtype == np.float32
        assert pcm.flags.c_contiguous
        assert len(decoder.read(1)) == 0
    assert np.array_equal(pcm, expected)


@pytest.mark.parametrize(
    ("name", "subtype"), [*FILES, ("gsm.wav", "GSM610"), ("g721.au", "G721_32")]
)
def test_seeks_are_exact(media: Media, name: str, subtype: str) -> None:
    channels = 1 if subtype in {"GSM610", "G721_32"} else 2  # in which libsndfile does not seek
    path = media.pcm(name, subtype=subtype, frames=30_000, channels=channels)
    expected = oracle(path)
    rng = random.Random(3)
    with open_decoder(Seekable(path.read_bytes(), step=3000)) as decoder:
        for _ in range(30):
            frame = rng.randrange(len(expected) + 1)
            decoder.seek(frame)
            count = rng.randrange(1, 5000)
            assert np.array_equal(decoder.read(count), expected[frame : frame + count])


@pytest.mark.parametrize("name", ["wav-PCM_16.wav", "aiff-PCM_16.aiff", "rf64-PCM_16.rf64",
                                  "caf-PCM_16.caf", "w64-PCM_16.w64", "au-PCM_16.au"])  # fmt: skip
def test_unseekable_input_gives_the_same_samples(media: Media, name: str) -> None:
    path = media.pcm(name, frames=30_000)
    expected = oracle(path)
    with open_decoder(Unseekable(path.read_bytes(), step=1000)) as decoder:
        assert np.array_equal(np.concatenate(list(decoder.blocks(999))), expected)
        with pytest.raises(SeekRefused):
            decoder.seek(1)


@pytest.mark.parametrize("name", ["large.wav", "large.caf"])
def test_unseekable_input_of_several_megabytes(media: Media, name: str) -> None:
    path = media.pcm(name, frames=1_000_000)
    with open_decoder(Unseekable(path.read_bytes())) as decoder:
        assert np.array_equal(np.concatenate(list(decoder.blocks(65536))), oracle(path))


@pytest.mark.parametrize(
    "name", [name for name, subtype in FILES if subtype in ("PCM_16", "PCM_24")]
)
@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_cut_file_is_never_silently_short(media: Media, name: str, kept: float) -> None:
    subtype = dict(FILES)[name]
    path = media.pcm(name, subtype=subtype, frames=30_000)
    content = path.read_bytes()
    expected = oracle(path)
    produced = 0
    cut = io.BytesIO(content[: int(len(content) * kept)])
    if name.startswith("caf") and kept < 0.9:
        with pytest.raises(CorruptAudio, match="malformed"):
            open_decoder(cut)
        return
    with open_decoder(cut) as decoder:
        assert decoder.frames == 30_000
        with pytest.raises(CorruptAudio) as damage:  # noqa: PT012 - counts on the way
            for block in decoder.blocks(700):
                assert np.array_equal(block, expected[produced : produced + len(block)])
                produced += len(block)
        assert damage.value.frame == produced
        assert abs(produced - 30_000 * kept) < 5000
        if isinstance(damage.value, EncodedLengthMismatch):
            assert (damage.value.promised, damage.value.produced) == (30_000, produced)


def test_cut_right_behind_the_header(media: Media) -> None:
    content = media.pcm("wav-PCM_16.wav", frames=30_000).read_bytes()
    with open_decoder(io.BytesIO(content[:44])) as decoder, pytest.raises(EncodedLengthMismatch):
        decoder.read(10)


@pytest.mark.parametrize("file_type", [Seekable, Unseekable])
@pytest.mark.parametrize("size", [b"\0\0\0\0", b"\xff\xff\xff\xff"])
def test_wav_of_streaming_writers_that_leave_the_size_untold(
    media: Media, file_type: type[Seekable], size: bytes
) -> None:
    path = media.pcm("wav-PCM_16.wav", frames=30_000)
    content = path.read_bytes()
    streamed = content[:4] + size + content[8:40] + size + content[44:]
    with open_decoder(file_type(streamed)) as decoder:
        assert decoder.frames == (None if file_type is Unseekable else 30_000)
        assert np.array_equal(np.concatenate(list(decoder.blocks(4096))), oracle(path))


def test_an_empty_wav_is_empty() -> None:
    file = io.BytesIO()
    soundfile.write(file, sound(0), RATE, format="WAV")
    with open_decoder(file) as decoder:
        assert decoder.frames == 0
        assert len(decoder.read(10)) == 0
        assert list(decoder.blocks(10)) == []


@pytest.mark.parametrize("name", ["wav-PCM_16.wav", "aiff-PCM_16.aiff"])
def test_cut_headers_are_typed_errors(media: Media, name: str) -> None:
    content = media.pcm(name, frames=30_000).read_bytes()
    for length in range(12, 44, 3):
        with (
            pytest.raises((CorruptAudio, UnsupportedFormat)) as refusal,
            open_decoder(io.BytesIO(content[:length])) as decoder,
        ):
            decoder.read(1)
        assert "\n" not in str(refusal.value)


def test_tags(media: Media) -> None:
    path = media.folder / "tagged.wav"
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        file.title, file.artist = "Größe", "Niemand"
        file.write(sound(100, 1))
    with path.open("rb") as opened, open_decoder(opened) as decoder:
        assert decoder.tags == {"title": "Größe", "artist": "Niemand"} | dict(decoder.tags)


def test_a_wrong_hint_leads_libsndfile_to_no_other_format(
    media: Media, capfd: pytest.CaptureFixture[str]
) -> None:
    content = bytes(300_000) + media.coded("behind-junk.mp3", frames=30_000).read_bytes()
    with pytest.raises(UnsupportedFormat, match="no wav file"):
        open_decoder(io.BytesIO(content), hint="wav")
    assert capfd.readouterr() == ("", "")
