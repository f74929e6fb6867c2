"""Spans of any format into one: against soxr over the whole, and where spans meet."""

from __future__ import annotations

import builtins
import io
import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import soxr  # type: ignore[import-untyped]  # it ships no types
from decode_files import RATE, Media, Seekable, sound
from hypothesis import given
from hypothesis import strategies as st
from timed_files import Segmented, TimedFiles

from kithara_decode import AudioStream, PcmSpec, UnsupportedFormat
from kithara_decode._conversion import Conversion
from kithara_decode._pcm import Samples

CD = PcmSpec(sample_rate=RATE, channels=2)
RATES = (8000, 22050, 32000, 44100, 48000, 96000)


def everything(stream: AudioStream) -> Samples:
    chunks = list(stream)
    for before, after in pairwise(chunks):
        assert after.start == before.start + len(before.data)
    assert all(chunk.spec is chunks[0].spec for chunk in chunks)
    assert all(chunk.data.flags.c_contiguous for chunk in chunks)
    assert all(chunk.data.dtype == np.float32 for chunk in chunks)
    return np.concatenate([chunk.data for chunk in chunks])


@pytest.mark.parametrize("output", [8000, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_blocks_give_what_the_whole_gives(output: int, channels: int) -> None:
    whole = sound(20_000).astype(np.float32)
    conversion = Conversion(CD, PcmSpec(sample_rate=output, channels=channels))
    blocks = [conversion.convert(block) for block in np.array_split(whole, 17)]
    found = np.concatenate([*blocks, conversion.flush()])
    if channels == 1:
        whole = whole @ np.full((2, 1), 0.5**0.5, np.float32)
    assert np.allclose(found, soxr.resample(whole, RATE, output), atol=1e-6)
    assert len(conversion.flush()) == 0


@given(st.sampled_from(RATES), st.sampled_from(RATES), st.integers(-(10**6), 10**6))
def test_the_grid_is_found(source: int, output: int, frame: int) -> None:
    to = PcmSpec(sample_rate=output, channels=2)
    conversion = Conversion(PcmSpec(sample_rate=source, channels=2), to)
    place = frame * conversion.ratio
    dropped = conversion.frames_to_grid(place)
    assert (place + dropped * conversion.ratio).denominator == 1
    assert 0 <= dropped < conversion.ratio.denominator
    assert conversion.frames_to_grid(place + Fraction(1, 7 * 11 * 13)) == 0


@pytest.mark.parametrize("name", ["seek.flac", "aac"])
@pytest.mark.parametrize("rate", [48000, 22050])
def test_seeks_of_what_is_resampled(media: Media, name: str, rate: int) -> None:
    output = PcmSpec(sample_rate=rate, channels=1)

    def source() -> TimedFiles | Seekable:
        if name == "aac":
            return TimedFiles(Segmented(media, "aac"))
        return Seekable(media.coded(f"tones-{name}", frames=150_000).read_bytes())

    with AudioStream(source(), output=output) as stream:
        assert stream.spec is output
        whole = everything(stream)
    with AudioStream(source(), output=output) as stream:
        for seconds in (1.2345, 0.01, 2.0, 3.1, 0.0):
            stream.seek(seconds)
            chunk = next(stream)
            assert chunk.start == round(seconds * rate)
            there = whole[chunk.start : chunk.start + len(chunk.data)]
            assert np.mean((chunk.data - there) ** 2) <= 1e-6 * np.mean(whole**2)


def test_every_span_comes_out_as_the_first_one(media: Media) -> None:
    contents = [
        media.coded("conv.flac", frames=30_000).read_bytes(),
        media.coded("conv-48.flac", "-ar", "48000", frames=30_000).read_bytes(),
        media.pcm("conv-1.flac", frames=30_000, channels=1).read_bytes(),
    ]

    class Files:
        def spans(self) -> Iterator[Seekable]:
            return map(Seekable, contents)

        def close(self) -> None:
            pass

    with AudioStream(Files()) as stream:  # type: ignore[arg-type]  # they name no container
        assert stream.spec == CD
        whole = everything(stream)
        assert abs(len(whole) - 90_000) <= 1
        stats = stream.stats
        assert stats.frames == len(whole)
        assert stats.losses == stats.seconds_buffered == 0
        stream.seek(1.5)  # in the span that is resampled, and back
        chunk = next(stream)
        assert np.abs(chunk.data - whole[chunk.start :][: len(chunk.data)]).max() < 1e-4
        stream.seek(0.0)
        assert np.array_equal(next(stream).data, whole[:4096])
    assert np.abs(whole[30_100:59_900] - whole[100:29_900]).max() < 0.5


@pytest.mark.parametrize("lost", [True, False])
def test_without_the_extra_another_rate_names_it(
    media: Media, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    monkeypatch.delitem(sys.modules, "soxr", raising=False)
    found = builtins.__import__

    def absent(name: str, *arguments: object, **options: object) -> object:
        if name == "soxr" and lost:
            raise ImportError(name)
        return found(name, *arguments, **options)  # type: ignore[arg-type]  # handed on as it is

    monkeypatch.setattr(builtins, "__import__", absent)
    content = media.pcm("conv-1.flac", frames=30_000, channels=1).read_bytes()
    with AudioStream(io.BytesIO(content), output=CD) as stream:
        assert len(everything(stream)) == 30_000  # mixing alone needs nothing
    other = PcmSpec(sample_rate=48000, channels=2)
    with AudioStream(io.BytesIO(content), output=other) as stream:
        if lost:
            with pytest.raises(UnsupportedFormat, match="resample") as raised:
                next(stream)
            assert raised.value.extra == "kithara-decode[resample]"
        else:
            next(stream)


class Marked(Seekable):
    """A span that tells its time."""

    container = "flac"

    def __init__(self, content: bytes, seconds: Fraction | None, timeline: int) -> None:
        super().__init__(content)
        self.seconds = seconds
        self.timeline = timeline


class Times:
    """The same sound in each span, at times of its own."""

    def __init__(self, content: bytes, *places: tuple[int | None, int]) -> None:
        self._content = content
        self._places = places

    def spans(self) -> Iterator[Marked]:
        for frame, timeline in self._places:
            seconds = None if frame is None else Fraction(frame, RATE)
            yield Marked(self._content, seconds, timeline)

    def close(self) -> None:
        pass


@pytest.fixture
def flac(media: Media) -> bytes:
    return media.coded("times.flac", frames=30_000).read_bytes()


def joined(
    flac: bytes, *places: tuple[int | None, int], rate: int = RATE
) -> tuple[Samples, tuple[tuple[int, int | None], ...]]:
    output = PcmSpec(sample_rate=rate, channels=2)
    with AudioStream(Times(flac, *places), output=output) as stream:
        return everything(stream), tuple((loss.frame, loss.frames) for loss in stream.losses)


@pytest.mark.parametrize(("source", "output"), [(44100, 800_000_000), (800_000_000, 44100)])
def test_a_rate_that_no_sound_has_is_refused(source: int, output: int) -> None:
    with pytest.raises(UnsupportedFormat, match="no sound needs"):
        Conversion(PcmSpec(sample_rate=source, channels=1), PcmSpec(sample_rate=output, channels=1))


def test_what_two_spans_hold_comes_once(flac: bytes) -> None:
    whole, losses = joined(flac, (0, 0), (29_000, 0), (59_000, 0))
    first = joined(flac, (0, 0))[0]
    assert np.array_equal(whole, np.concatenate([first, first[1000:], first]))
    assert losses == ()


def test_silence_fills_a_gap_and_is_a_loss(flac: bytes) -> None:
    whole, losses = joined(flac, (0, 0), (31_024, 0))
    first = joined(flac, (0, 0))[0]
    assert np.array_equal(whole, np.concatenate([first, np.zeros((1024, 2)), first]))
    assert losses == ((30_000, 1024),)


@pytest.mark.parametrize(
    "places",
    [
        ((0, 0), (30_080, 0)),  # the stamps are coarse
        ((0, 0), (29_920, 0)),
        ((0, 0), (10**6, 0)),  # a clock was set anew
        ((10**6, 0), (0, 0)),
        ((0, 0), (50_000, 1)),  # another clock
        ((0, 0), (None, 0)),
        ((None, 0), (70_000, 0)),
    ],
)
def test_spans_that_simply_follow(flac: bytes, places: tuple[tuple[int | None, int], ...]) -> None:
    whole, losses = joined(flac, *places)
    first = joined(flac, (0, 0))[0]
    assert np.array_equal(whole, np.concatenate([first, first]))
    assert losses == ()


def test_joins_of_what_is_resampled(flac: bytes) -> None:
    whole, losses = joined(flac, (0, 0), (29_118, 0), (60_000, 0), rate=48000)
    assert len(whole) == round(90_000 * 48000 / RATE)
    assert losses == ((round(59_118 * 48000 / RATE), 960),)


def test_aac_and_flac_of_one_clock_meet_at_the_sample(media: Media) -> None:
    """AAC without an edit lags by its overlap, which no time stamp tells."""
    aac, flac = (Segmented(media, codec) for codec in ("aac", "flac"))
    with AudioStream(TimedFiles(flac)) as stream:
        whole = everything(stream)

    class Switching:
        def spans(self) -> Iterator[Marked]:
            yield Marked(flac.init + b"".join(flac.segments[:3]), Fraction(0), 0)
            yield Marked(aac.init + b"".join(aac.segments[3:]), aac.seconds[3], 0)

        def close(self) -> None:
            pass

    with AudioStream(Switching()) as stream:
        switched = everything(stream)
    lag = switched[80_000:120_000, 0]
    shifts = {shift: float(np.dot(lag, whole[80_000 - shift : 120_000 - shift, 0]))
              for shift in range(-2100, 2100)}  # fmt: skip
    assert max(shifts, key=lambda shift: shifts[shift]) == 0
    assert np.abs(switched[20_000:120_000] - whole[20_000:120_000]).max() < 0.2
