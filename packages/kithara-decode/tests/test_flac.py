from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile
from decode_files import Media, Seekable, Unseekable

from kithara_decode import CorruptAudio, EncodedLengthMismatch, SeekRefused, open_decoder
from kithara_decode._native_decoder import NativeDecoder
from kithara_decode._pcm import AnySamples

FILES = [("flac-8.flac", "PCM_S8"), ("flac-16.flac", "PCM_16"), ("flac-24.flac", "PCM_24")]
FRAMES = 30_000


def oracle(path: Path) -> AnySamples:
    return soundfile.read(path, dtype="float32", always_2d=True)[0]  # type: ignore[no-any-return]


def everything(content: bytes | bytearray) -> AnySamples:
    with open_decoder(io.BytesIO(content)) as decoder:
        return np.concatenate(list(decoder.blocks(4096)))


def noisy(media: Media) -> bytearray:
    return bytearray(media.pcm("flac-16.flac", frames=FRAMES).read_bytes())


def without_total(content: bytearray) -> bytearray:
    content[21:26] = bytes([content[21] & 0xF0, 0, 0, 0, 0])
    return content


@pytest.mark.parametrize(("name", "subtype"), FILES)
def test_bit_for_bit_with_soundfile(media: Media, name: str, subtype: str) -> None:
    path = media.pcm(name, subtype=subtype, frames=FRAMES)
    with path.open("rb") as file, open_decoder(file) as decoder:
        assert NativeDecoder in type(decoder).__mro__
        assert decoder.frames == FRAMES
        assert np.array_equal(np.concatenate(list(decoder.blocks(999))), oracle(path))
        assert decoder.losses == ()


@pytest.mark.parametrize("suffix", ["flac", "ogg"])
def test_unseekable_input_gives_the_same_samples(media: Media, suffix: str) -> None:
    content = media.coded(f"seek.{suffix}", "-c:a", "flac").read_bytes()
    with open_decoder(Unseekable(content, step=1000)) as decoder:
        assert np.array_equal(np.concatenate(list(decoder.blocks(999))), everything(content))
        with pytest.raises(SeekRefused):
            decoder.seek(1)


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_cut_file_is_never_silently_short(media: Media, kept: float) -> None:
    content = noisy(media)
    whole = everything(content)
    produced = 0
    with open_decoder(io.BytesIO(content[: int(len(content) * kept)])) as decoder:
        assert decoder.frames == FRAMES
        with pytest.raises(EncodedLengthMismatch) as damage:  # noqa: PT012 - counts on the way
            for block in decoder.blocks(700):
                assert np.array_equal(block, whole[produced : produced + len(block)])
                produced += len(block)
        assert (damage.value.promised, damage.value.produced) == (FRAMES, produced)
        assert abs(produced - FRAMES * kept) < 5000


def test_cut_headers_are_typed_errors(media: Media) -> None:
    content = noisy(media)
    for length in range(4, 42):
        with pytest.raises(CorruptAudio) as refusal:
            open_decoder(io.BytesIO(content[:length]))
        assert "\n" not in str(refusal.value)


def zeros(content: bytearray) -> bytearray:
    content[40_000:48_000] = bytes(8000)
    return content


def one_bit(content: bytearray) -> bytearray:
    content[40_000] ^= 4
    return content


def cut_out(content: bytearray) -> bytearray:
    del content[40_000:48_000]
    return content


def garbage(content: bytearray) -> bytearray:
    content[40_000:40_000] = random.Random(1).randbytes(70_000)
    return content


@pytest.mark.parametrize("damage", [zeros, one_bit, cut_out, garbage])
@pytest.mark.parametrize("file_type", [Seekable, Unseekable])
def test_what_is_missing_is_silence_and_counted(
    media: Media, file_type: type[Seekable], damage: object
) -> None:
    assert callable(damage)
    whole = everything(noisy(media))
    for content in (damage(noisy(media)), damage(without_total(noisy(media)))):
        with open_decoder(file_type(content)) as decoder:
            found = np.concatenate(list(decoder.blocks(1000)))
            (loss,) = decoder.losses
            lost = slice(loss.frame, loss.frame + (loss.frames or 0))
            assert loss.frames
            assert loss.frames % 4096 == 0
            assert not found[lost].any()
            repaired = found.copy()
            repaired[lost] = whole[lost]
            assert np.array_equal(repaired, whole)
            if file_type is Seekable:
                for frame in (loss.frame - 10, loss.frame + 99, lost.stop - 5, lost.stop, 0):
                    decoder.seek(frame)
                    block = decoder.read(9000)
                    # From elsewhere libFLAC may find a block more, and never another sample.
                    there = whole[frame : frame + 9000]
                    missing = (block != there).any(axis=1)
                    assert not block[missing].any()
                    assert not missing[found[frame : frame + 9000].any(axis=1)].any()


@pytest.mark.parametrize("damage", [zeros, one_bit, cut_out, garbage])
def test_strictly_damage_is_an_error_behind_the_frames_before_it(
    media: Media, damage: object
) -> None:
    assert callable(damage)
    produced = 0
    with open_decoder(io.BytesIO(damage(noisy(media))), strict=True) as decoder:
        with pytest.raises(CorruptAudio) as error:  # noqa: PT012 - counts on the way
            for block in decoder.blocks(700):
                produced += len(block)
        assert error.value.frame == produced == decoder.position > 0
        decoder.seek(25_000)
        assert len(decoder.read(10_000)) == 5000


def test_without_a_total(media: Media) -> None:
    content = without_total(noisy(media))
    whole = everything(noisy(media))
    with open_decoder(io.BytesIO(content)) as decoder:
        assert decoder.frames is None
        assert np.array_equal(np.concatenate(list(decoder.blocks(4096))), whole)
        for frame in (29_999, 17, 4096, 20_000):
            decoder.seek(frame)
            assert np.array_equal(decoder.read(50), whole[frame : frame + 50])
        with pytest.raises(SeekRefused):
            decoder.seek(1_000_000)
        assert np.array_equal(decoder.read(50), whole[20_050:20_100])


def test_a_broadcast_that_was_joined_begins_at_its_first_block(media: Media) -> None:
    content = without_total(noisy(media))
    second = content.find(content[86:90][:2], 12_000)
    header = bytearray(content[: content.find(b"\xff\xf8")])
    assert second > 0
    whole = everything(noisy(media))
    with open_decoder(io.BytesIO(header + content[second:])) as decoder:
        found = np.concatenate(list(decoder.blocks(4096)))
        assert decoder.losses == ()
        assert np.array_equal(found, whole[-len(found) :])
        decoder.seek(5000)
        assert np.array_equal(decoder.read(100), found[5000:5100])


def test_tags(media: Media) -> None:
    for suffix in ("flac", "ogg"):
        path = media.coded(f"tagged-flac.{suffix}", "-c:a", "flac", "-metadata", "title=Größe")
        with path.open("rb") as file, open_decoder(file) as decoder:
            assert decoder.tags["title"] == "Größe"
