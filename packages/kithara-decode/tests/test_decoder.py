from __future__ import annotations

import io
import random

import numpy as np
import pytest
from decode_files import RATE, Media
from hypothesis import given
from hypothesis import strategies as st

from kithara_decode import CorruptAudio, Decoder, DecoderClosed, PcmSpec, SeekRefused, open_decoder
from kithara_decode._decoder import BaseDecoder
from kithara_decode._options import Options
from kithara_decode._pcm import AnySamples, Samples


class Counting(BaseDecoder):
    """Frame n has the value n; damage lies at `damaged`, told in pieces of `piece` frames."""

    def __init__(self, frames: int, piece: int, damaged: int | None = None) -> None:
        self._next = 0
        self._length = frames
        self._piece = piece
        self._damaged = damaged
        spec = PcmSpec(sample_rate=RATE, channels=1)
        super().__init__(
            container="wav",
            spec=spec,
            frames=frames,
            seekable=True,
            tags={},
            options=Options(),
        )

    def _fill(self, out: AnySamples) -> int:
        stop = self._length if self._damaged is None else self._damaged
        if self._next == self._damaged:
            raise CorruptAudio("here", container="wav", frame=self._next)
        count = min(len(out), self._piece, stop - self._next)
        out[:count, 0] = np.arange(self._next, self._next + count)
        self._next += count
        return count

    def _go_to(self, frame: int) -> None:
        self._next = frame

    def _free(self) -> None:
        self._piece = 0


@given(st.integers(0, 200), st.integers(1, 50), st.lists(st.integers(-250, 250), max_size=30))
def test_reads_and_seeks_against_a_list(frames: int, piece: int, steps: list[int]) -> None:
    at = 0
    with Counting(frames, piece) as decoder:
        for step in steps:
            if step <= 0 and -step <= frames:
                decoder.seek(-step)
                at = -step
            elif step <= 0:
                with pytest.raises(SeekRefused):
                    decoder.seek(-step)
            else:
                expected = list(range(frames))[at : at + step]
                assert decoder.read(step)[:, 0].tolist() == expected
                at += len(expected)
            assert decoder.position == at


@given(st.integers(0, 99), st.integers(1, 50), st.integers(1, 150))
def test_every_frame_before_damage_comes_before_the_error(
    damaged: int, piece: int, block: int
) -> None:
    found: list[int] = []
    decoder = Counting(100, piece, damaged)
    with pytest.raises(CorruptAudio) as damage:  # noqa: PT012 - counts on the way
        for samples in decoder.blocks(block):
            found.extend(samples[:, 0])
    assert damage.value.frame == damaged
    assert found == list(range(damaged))
    decoder.close()


@pytest.fixture
def decoder(media: Media) -> Decoder[np.float32]:
    return open_decoder(io.BytesIO(media.pcm("base.wav", frames=5000).read_bytes()))


def test_read_into_fills_what_it_is_given(decoder: Decoder[np.float32]) -> None:
    array = np.full((6000, 2), 9, np.float32)
    assert decoder.read_into(array[:0]) == 0
    assert decoder.read_into(array[10:2010]) == 2000
    assert (array[:10] == 9).all()
    assert decoder.read_into(array) == 3000
    assert decoder.read_into(array) == 0
    decoder.close()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((10, 2)),
        np.zeros((10, 2), np.int16),
        np.zeros((10, 1), np.float32),
        np.zeros(20, np.float32),
        np.zeros((10, 4), np.float32)[:, ::2],
        np.asfortranarray(np.zeros((10, 2), np.float32)),
    ],
)
def test_other_arrays_are_refused(decoder: Decoder[np.float32], array: Samples) -> None:
    with decoder, pytest.raises(ValueError, match="array"):
        decoder.read_into(array)


def test_a_read_only_array_is_refused_and_harmless(decoder: Decoder[np.float32]) -> None:
    array = np.zeros((10, 2), np.float32)
    array.flags.writeable = False
    with decoder, pytest.raises(ValueError, match="array"):
        decoder.read_into(array)
    assert not array.any()


def test_closed(decoder: Decoder[np.float32]) -> None:
    decoder.close()
    decoder.close()
    for call in (lambda: decoder.read(1), lambda: decoder.seek(1), lambda: next(decoder.blocks(1))):
        with pytest.raises(DecoderClosed):
            call()
    assert decoder.spec.channels == 2


def test_seek_takes_frames_only(decoder: Decoder[np.float32]) -> None:
    with decoder:
        with pytest.raises(ValueError, match="-1"):
            decoder.seek(-1)
        with pytest.raises(TypeError):
            decoder.seek(1.5)  # type: ignore[arg-type]  # what the test is about
        decoder.seek(np.int64(17))  # type: ignore[arg-type]  # numpy's integers are no int to mypy
        assert decoder.position == 17


def test_the_file_stays_open(media: Media) -> None:
    with media.pcm("base.wav", frames=5000).open("rb") as file:
        for _ in range(3):
            with open_decoder(file) as decoder:
                assert len(decoder.read(10_000)) == 5000
        assert not file.closed


def test_a_copy_of_a_block_is_not_overwritten(decoder: Decoder[np.float32]) -> None:
    rng = random.Random(2)
    with decoder:
        first = decoder.read(100)
        kept = first.copy()
        for _ in range(20):
            decoder.read(rng.randrange(1, 100))
        assert np.array_equal(first, kept)
