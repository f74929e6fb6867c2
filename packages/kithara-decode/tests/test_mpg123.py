from __future__ import annotations

import io
import random
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest
from decode_files import Media, Seekable, Unseekable, ffmpeg_pcm, mpg123_pcm
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from kithara_decode import (
    CorruptAudio,
    EncodedLengthMismatch,
    FormatChanged,
    SeekRefused,
    UnsupportedFormat,
    open_decoder,
)
from kithara_decode._mpg123 import Mpg123Decoder

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def decode(content: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with open_decoder(io.BytesIO(content)) as decoder:
        return np.concatenate(list(decoder.blocks(4096)))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cbr.mp3", ("-b:a", "128k")),
        ("vbr.mp3", ("-q:a", "4")),
        ("bare.mp3", ("-q:a", "4", "-write_xing", "0")),
        ("low.mp3", ("-ar", "22050", "-ac", "1")),
        ("layer.mp2", ("-b:a", "192k")),
    ],
)
def test_every_sample_is_mpg123s(media: Media, name: str, options: tuple[str, ...]) -> None:
    path = media.coded(name, *options)
    with path.open("rb") as file, open_decoder(file) as decoder:
        assert Mpg123Decoder in type(decoder).__mro__
        pcm = np.concatenate(list(decoder.blocks(1000)))
        assert decoder.frames in (None, len(pcm))
    assert np.array_equal(pcm, mpg123_pcm(path, pcm.shape[1]))


def test_gapless_gives_back_the_frames_that_were_encoded(media: Media) -> None:
    path = media.coded("cbr.mp3", "-b:a", "128k")
    pcm = decode(path.read_bytes())
    assert len(pcm) == 200_000
    theirs = ffmpeg_pcm(path, 2)
    assert len(theirs) == 200_000
    assert np.abs(pcm - theirs).max() < 1e-5


class Counted(Seekable):
    """Counts the bytes that were read."""

    taken = 0

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        got = super().readinto(buffer)
        self.taken += got
        return got


LONG = 2_400_000  # frames of PCM: enough MPEG frames for their size to be computed


@pytest.mark.parametrize(
    ("name", "options", "is_computed"),
    [
        ("cbr.mp3", ("-b:a", "128k"), True),  # 417 or 418 bytes a frame
        ("even.mp3", ("-b:a", "192k", "-ar", "48000"), True),
        ("tagged.mp3", ("-b:a", "128k", "-write_id3v1", "1", "-metadata", "title=x"), True),
        ("vbr.mp3", ("-q:a", "4"), False),
        ("bare.mp3", ("-b:a", "128k", "-write_xing", "0"), False),
    ],
)
def test_a_seek_in_a_constant_bit_rate_reads_nothing_before(
    media: Media, name: str, options: tuple[str, ...], *, is_computed: bool
) -> None:
    content = media.coded(name, *options, frames=LONG).read_bytes()
    whole = decode(content)
    dice = random.Random(1)
    for _ in range(5):
        file = Counted(content)
        with open_decoder(file) as decoder:
            for first in (True, False, False):
                target = dice.randrange(LONG * 9 // 10 if first else 0, LONG)
                before = file.taken
                decoder.seek(target)
                assert np.array_equal(decoder.read(500), whole[target : target + 500])
                if first:
                    assert (file.taken - before < 200_000) == is_computed


def test_a_computed_place_without_headers_is_not_believed(media: Media) -> None:
    content = media.coded("cbr.mp3", "-b:a", "128k", frames=LONG).read_bytes()
    damaged = content[:500_000] + content[500_200:]
    with open_decoder(io.BytesIO(damaged)) as decoder:
        whole = np.concatenate([decoder.read(1_000_000), decoder.read(1_350_000)])
        whole = np.concatenate([whole, decoder.read(2_350_000 - len(whole))])
        assert len(decoder.losses) == 1
    with open_decoder(io.BytesIO(damaged)) as decoder:
        for target in (2_300_000, 10_000, 2_000_000):
            decoder.seek(target)
            assert np.array_equal(decoder.read(500), whole[target : target + 500])


@settings(max_examples=25, deadline=None, derandomize=True, phases=[Phase.generate])
@given(
    place=st.floats(0.05, 0.6),
    cut=st.sampled_from((0, 1, 96, 97, 960)),  # bytes; all frames have 96
    pasted=st.sampled_from((b"", bytes(1), bytes(96), bytes(480), b"TAG" + bytes(125))),
    lie=st.sampled_from(((0, 0), (0, 0), (0, -960), (1, 0), (100, 9600))),
    targets=st.tuples(*[st.floats(0, 0.99)] * 3),
)
def test_seeks_in_a_damaged_file_land_where_decoding_it_comes(
    media: Media,
    place: float,
    cut: int,
    pasted: bytes,
    lie: tuple[int, int],
    targets: tuple[float, ...],
) -> None:
    assume(not cut or cut != len(pasted))  # a file as long as before hides what was lost in it
    content = media.coded("steady.mp3", "-b:a", "32k", "-ar", "48000", frames=LONG).read_bytes()
    tag, at = content.index(b"Info"), int(len(content) * place)
    told = [int.from_bytes(content[tag + offset : tag + offset + 4]) for offset in (8, 12)]
    lies = b"".join((count + more).to_bytes(4) for count, more in zip(told, lie, strict=True))
    content = content[: tag + 8] + lies + content[tag + 16 : at] + pasted + content[at + cut :]
    whole = np.empty((0, 2), np.float32)
    with (
        open_decoder(io.BytesIO(content)) as decoder,
        suppress(EncodedLengthMismatch, FormatChanged),
    ):
        for block in decoder.blocks(1 << 20):
            whole = np.concatenate([whole, block])
    with open_decoder(io.BytesIO(content)) as decoder:
        for target in (int(len(whole) * part) for part in targets):
            decoder.seek(target)
            assert np.abs(decoder.read(100) - whole[target : target + 100]).max() < 1e-5


def test_the_smallest_frames_reach_back_over_many(media: Media) -> None:
    content = media.coded("tiny.mp3", "-ar", "24000", "-b:a", "8k", frames=400_000).read_bytes()
    whole = decode(content)
    for target in (100_000, 170_000, 210_000):
        with open_decoder(io.BytesIO(content)) as decoder:
            decoder.seek(target)
            assert np.abs(decoder.read(500) - whole[target : target + 500]).max() < 1e-6


def test_a_seek_whose_bytes_do_not_come_is_made_again(media: Media) -> None:
    content = media.coded("cbr.mp3", "-b:a", "128k", frames=LONG).read_bytes()
    whole = decode(content)
    file = Seekable(content, step=1000)
    with open_decoder(file) as decoder:
        file.fail_at = file.reads + 2
        with pytest.raises(ConnectionError):
            decoder.seek(2_300_000)
        decoder.seek(2_300_000)
        assert np.array_equal(decoder.read(500), whole[2_300_000:2_300_500])


def test_seeks_beyond_the_end_are_refused_and_change_nothing(media: Media) -> None:
    for name in ("cbr.mp3", "bare.mp3"):  # with and without a known length
        content = media.coded(name, "-q:a", "4").read_bytes()
        whole = decode(content)
        with open_decoder(io.BytesIO(content)) as decoder:
            decoder.seek(500)
            with pytest.raises(SeekRefused) as refused:
                decoder.seek(10**9)
            assert refused.value.frame == 10**9
            assert np.array_equal(decoder.read(100), whole[500:600])
            decoder.seek(len(whole))
            assert len(decoder.read(10)) == 0
            decoder.seek(7)
            assert np.array_equal(decoder.read(100), whole[7:107])


def test_unseekable_input_gives_the_same_samples(media: Media) -> None:
    for name in ("cbr.mp3", "bare.mp3", "layer.mp2"):
        content = media.coded(name).read_bytes()
        with open_decoder(Unseekable(content, step=777)) as decoder:
            pcm = np.concatenate(list(decoder.blocks(4096)))
            assert np.array_equal(pcm, decode(content))
            with pytest.raises(SeekRefused, match="not seekable"):
                decoder.seek(0)


def test_a_file_too_short_for_its_own_header_is_told(media: Media) -> None:
    content = media.coded("cbr.mp3").read_bytes()
    cut = content[: len(content) // 2]
    produced = 0
    with open_decoder(io.BytesIO(cut)) as decoder:
        with pytest.raises(EncodedLengthMismatch) as mismatch:  # noqa: PT012 - counts on the way
            for block in decoder.blocks(4096):
                produced += len(block)
        assert mismatch.value.promised == 200_000
        assert mismatch.value.produced == produced > 90_000
        with pytest.raises(EncodedLengthMismatch):
            decoder.read(1)
        decoder.seek(0)
        assert len(decoder.read(10)) == 10


def test_a_header_that_counts_too_many_frames_is_not_believed(media: Media) -> None:
    content = bytearray(media.coded("cbr.mp3").read_bytes())
    at = max(content.find(b"Xing"), content.find(b"Info"))
    frames = int.from_bytes(content[at + 8 : at + 12])
    content[at + 8 : at + 12] = (frames + 50).to_bytes(4)
    with open_decoder(io.BytesIO(content)) as decoder:
        assert decoder.frames == 200_000 + 50 * 1152
        assert sum(len(block) for block in decoder.blocks(4096)) in range(200_000, 203_000)


def test_without_a_header_a_cut_last_frame_is_an_end(media: Media) -> None:
    content = media.coded("bare.mp3", "-q:a", "4", "-write_xing", "0").read_bytes()
    assert len(decode(content[:-100])) in range(198_000, 203_000)


def test_a_hole_in_the_middle_is_passed_over(media: Media) -> None:
    content = media.coded("bare.mp3", "-q:a", "4", "-write_xing", "0").read_bytes()
    half = len(content) // 2
    whole, holed = decode(content), decode(content[:half] + bytes(100_000) + content[half:])
    assert np.array_equal(holed[:50_000], whole[:50_000])
    assert np.array_equal(holed[-50_000:], whole[-50_000:])


def test_another_sample_rate_in_the_middle_is_an_error_behind_the_frames_before(
    media: Media,
) -> None:
    first = media.coded("bare.mp3", "-q:a", "4", "-write_xing", "0").read_bytes()
    second = media.coded("rate.mp3", "-ar", "48000", "-write_xing", "0").read_bytes()
    produced = 0
    with open_decoder(io.BytesIO(first + second)) as decoder:
        with pytest.raises(UnsupportedFormat, match="changes to 48000 Hz") as change:  # noqa: PT012 - as above
            for block in decoder.blocks(1000):
                produced += len(block)
        assert f"at frame {produced}" in str(change.value)


def test_nothing_behind_a_header_is_corrupt() -> None:
    lonely = b"\xff\xfb\x90\x64" + bytes(413)
    with pytest.raises(CorruptAudio), open_decoder(io.BytesIO(lonely[:100]), hint="mp3") as decoder:
        decoder.read(100)


@pytest.mark.parametrize("file_type", [Seekable, Unseekable])
def test_tags_between_joined_files_are_no_loss(media: Media, file_type: type[Seekable]) -> None:
    options = ("-write_xing", "0", "-metadata", "title=x", "-write_id3v1", "1")
    tagged = media.coded("tagged-bare.mp3", *options, frames=60_000).read_bytes()
    with open_decoder(file_type(tagged + tagged), strict=True) as decoder:
        joined = sum(len(block) for block in decoder.blocks(4096))
        assert decoder.losses == ()
    assert joined == 2 * len(decode(tagged))


@pytest.mark.parametrize("file_type", [Seekable, Unseekable])
def test_what_itunes_tells_is_trimmed_where_no_lame_header_does(
    media: Media, file_type: type[Seekable]
) -> None:
    lame = media.coded("cbr.mp3", "-b:a", "128k").read_bytes()
    at = lame.index(b"Info")
    delay, padding = divmod(int.from_bytes(lame[at + 141 : at + 144]), 4096)
    start = lame.index(b"\xff\xfb", at)  # of the frame behind that of the header
    words = f" 00000000 {delay:08X} {padding:08X} {200_000:016X}"
    comment = b"\0engiTunSMPB\0" + words.encode()
    frame = b"COMM" + len(comment).to_bytes(4) + bytes(2) + comment
    tag = b"ID3\3\0\0\0\0" + bytes(divmod(len(frame), 128)) + frame
    whole = decode(lame)
    with open_decoder(file_type(tag + lame[start:])) as decoder:
        assert decoder.frames == len(whole) == 200_000
        assert np.array_equal(np.concatenate(list(decoder.blocks(1000))), whole)
        for target in (150_000, 0, 199_000, 200_000) if file_type is Seekable else ():
            decoder.seek(target)
            assert np.array_equal(decoder.read(500), whole[target : target + 500])
    with open_decoder(file_type(tag + lame)) as decoder:  # told twice
        assert np.array_equal(np.concatenate(list(decoder.blocks(1000))), whole)
