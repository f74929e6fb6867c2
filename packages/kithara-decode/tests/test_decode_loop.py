"""Seeks in a stream: the frame asked for, and what a linear decode has there."""

from __future__ import annotations

import asyncio
import io
import random
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from decode_files import RATE, Arriving, Media, Seekable, Unseekable
from timed_files import CODECS, Segmented, TimedFiles, first_time

from kithara_decode import (
    AudioStream,
    CorruptAudio,
    DecoderClosed,
    EncodedLengthMismatch,
    SeekRefused,
)
from kithara_decode._pcm import Samples

PROMPT = 1.0  # seconds: a tenth of it on an idle machine; who hangs takes longer by far
FILES = {
    "seek.mp3": ("-b:a", "128k"), "seek.wav": (), "seek.flac": (),
    "vorbis.ogg": ("-c:a", "libvorbis"),
    "seek.opus": ("-c:a", "libopus", "-ar", "48000"), "seek.aac": ("-c:a", "aac", "-aac_pns", "0"),
    "seek.m4a": ("-c:a", "aac", "-aac_pns", "0"),
}  # fmt: skip


def everything(stream: AudioStream) -> Samples:
    return np.concatenate([chunk.data for chunk in stream])


def check(stream: AudioStream, seconds: float, whole: Samples, *, chunks: int = 3) -> None:
    """What comes next begins at a time, and is what a linear decode had there: 60 dB."""
    rate = stream.spec.sample_rate
    target = round(seconds * rate)
    assert stream.position == target
    at = target
    for _ in range(chunks):
        chunk = next(stream, None)
        if chunk is None:
            assert at >= len(whole)
            break
        assert chunk.start == at
        there = whole[at : at + len(chunk.data)]
        noise = float(np.mean((chunk.data - there) ** 2, dtype=np.float64))
        assert noise <= 1e-6 * float(np.mean(whole**2, dtype=np.float64)), at
        at += len(chunk.data)
        assert stream.position == at


@pytest.mark.parametrize("name", FILES)
def test_files(media: Media, name: str) -> None:
    content = media.coded(f"tones-{name}", *FILES[name], frames=60_000).read_bytes()
    rng = random.Random(name)
    with AudioStream(Seekable(content, step=5000)) as stream:
        whole = everything(stream)
        rate = stream.spec.sample_rate
        for _ in range(20):
            seconds = rng.random() * len(whole) / rate
            stream.seek(seconds)
            check(stream, seconds, whole)
        stream.seek(0)
        assert np.array_equal(everything(stream), whole)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("step", [1 << 30, 2])
def test_timed_sources(media: Media, codec: str, step: int) -> None:
    source = TimedFiles(Segmented(media, codec), step=step)
    with AudioStream(TimedFiles(source.media)) as stream:
        whole = everything(stream)
        length = len(whole) / stream.spec.sample_rate
    rng = random.Random(codec)
    times = (*(rng.random() * length for _ in range(15)), 0.0, *map(float, source.media.seconds))
    with AudioStream(source, chunk_frames=1000) as stream:
        assert stream.duration == 123.0
        for seconds in times:
            stream.seek(seconds)
            first = next(stream)
            assert first.start == round(seconds * first.spec.sample_rate)
            stream.seek(seconds)
            check(stream, seconds, whole)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("timed", [True, False])
def test_a_span_for_each_segment_is_as_good_as_one_for_all(
    media: Media, codec: str, timed: bool
) -> None:
    segmented = Segmented(media, codec)
    with AudioStream(TimedFiles(segmented)) as stream:
        whole = everything(stream)
    source = TimedFiles(segmented, step=1)
    source.tells_times = timed
    with AudioStream(source, chunk_frames=1000) as stream:
        assert np.array_equal(everything(stream), whole)
        assert stream.losses == ()


class GivenUp:
    """Gives a segment up in its midst and brings it anew, or ends there."""

    duration = 123.0

    def __init__(self, media: Segmented, cut: int, *, anew: bool) -> None:
        begun = media.init + media.segments[0] + media.segments[1][:cut]
        rest = media.init + b"".join(media.segments[1:])
        self._spans = [(Fraction(0), begun), *([(media.seconds[1], rest)] if anew else [])]

    def spans(self) -> Iterator[Unseekable]:
        for seconds, content in self._spans:
            file = Unseekable(content)
            file.seconds = seconds  # type: ignore[attr-defined]  # optional in a span
            yield file

    def close(self) -> None:
        pass


# Of half a frame of MP3 FFmpeg makes a whole one and says nothing; where Opus begins with a voice
# it gives 24 frames less.
@pytest.mark.parametrize("codec", ["aac", "aac-edit", "opus", "flac", "alac", "ts"])
def test_a_segment_that_is_given_up_and_comes_anew_loses_nothing(media: Media, codec: str) -> None:
    segmented = Segmented(media, codec)
    size = len(segmented.segments[1])
    with AudioStream(TimedFiles(segmented)) as stream:
        whole = everything(stream)
    for cut in range(size // 3, size, size // 7):
        with AudioStream(GivenUp(segmented, cut, anew=True)) as stream:  # type: ignore[arg-type]
            pcm = everything(stream)
            assert stream.losses == ()
        assert len(pcm) == len(whole)
        assert np.mean((pcm - whole) ** 2, dtype=np.float64) <= 1e-6 * np.mean(whole**2)


def test_a_packet_that_is_cut_at_the_very_end_is_a_loss(media: Media) -> None:
    segmented = Segmented(media, "aac")
    source = GivenUp(segmented, len(segmented.segments[1]) // 2, anew=False)
    with AudioStream(source) as stream:  # type: ignore[arg-type]
        pcm = everything(stream)
        (loss,) = stream.losses
    assert (loss.frame, loss.frames) == (len(pcm), None)
    with (
        pytest.raises(CorruptAudio, match=str(len(pcm))),
        AudioStream(source, strict=True) as stream,  # type: ignore[arg-type]
    ):
        everything(stream)


def test_the_variants_of_a_ladder_are_switched_without_a_seam(corpora: Path) -> None:
    """At every segment, against each variant alone where it plays: no worse than its codec."""
    folder = corpora / "hls/kithara-aac-ladder"
    variants = ("slq", "smq", "shq")

    def content(variant: str, *numbers: int) -> bytes:
        parts = [f"segment-{number}-{variant}-a1.m4s" for number in numbers]
        return b"".join((folder / n).read_bytes() for n in (f"init-{variant}-a1.mp4", *parts))

    class Switching:
        def spans(self) -> Iterator[Unseekable]:
            for number in range(1, 38):
                yield Unseekable(content(variants[number % 3], number))

        def close(self) -> None:
            pass

    with AudioStream(Switching()) as stream:  # type: ignore[arg-type]  # they name no container
        switched = everything(stream)
    assert len(switched) == 9_712_640
    alone: list[Samples] = []
    for variant in variants:
        with AudioStream(io.BytesIO(content(variant, *range(1, 38)))) as stream:
            alone.append(everything(stream))
    starts = [first_time(content("slq", number)) * RATE / 1024 for number in range(1, 38)]
    for number, start in enumerate(starts[1:], 2):
        seam = slice(round(start) * 1024, round(start) * 1024 + 1024)
        old, new = (alone[which % 3][seam] for which in (number - 1, number))
        assert rms(switched[seam] - new) <= 1.1 * rms(old - new), number


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2, dtype=np.float64)))


def test_what_an_edit_drops_at_the_start_is_no_frame_of_the_stream(media: Media) -> None:
    with AudioStream(TimedFiles(Segmented(media, "aac"))) as stream:
        whole = everything(stream)
    with AudioStream(TimedFiles(Segmented(media, "aac-edit"))) as stream:
        assert np.array_equal(everything(stream), whole[1024:])


def silent_start(corpora: Path) -> Segmented:
    """A stream whose first packet FFmpeg decodes to nothing."""
    folder = corpora / "hls/shaka-hls-ts-aac"
    segmented = Segmented.__new__(Segmented)
    segmented.init = b""
    segmented.segments = [(folder / f"segment_{n}.ts").read_bytes() for n in range(8)]
    segmented.seconds = [Fraction(n * 186 * 1024, 48000) for n in range(8)]
    return segmented


@pytest.mark.parametrize("step", [1 << 30, 1])
def test_a_first_access_unit_without_sound_is_no_frame_of_the_stream(
    corpora: Path, step: int
) -> None:
    segmented = silent_start(corpora)
    with AudioStream(TimedFiles(segmented)) as stream:
        whole = everything(stream)
        assert len(whole) == 1487 * 1024
    played, unplayed = (AudioStream(TimedFiles(segmented, step=step)) for _ in range(2))
    with played, unplayed:
        next(played)
        for stream in (played, unplayed):
            for seconds in (8.227, 0.5, 0.0):
                stream.seek(seconds)
                start = round(seconds * 48000)
                chunk = next(stream)
                assert chunk.start == start
                there = whole[start : start + len(chunk.data)]
                assert rms(chunk.data - there) < 0.3 * rms(there)  # its noise is drawn at random


def test_a_start_that_cannot_be_read_stops_no_seek(corpora: Path) -> None:
    segmented = silent_start(corpora)
    segmented.segments[0] = b"gone"
    with AudioStream(TimedFiles(segmented)) as stream:
        stream.seek(8.0)
        assert next(stream).start == 8 * 48000


def test_a_seek_before_anything_was_read_fetches_nothing_else(media: Media) -> None:
    source = TimedFiles(Segmented(media, "aac"))
    with AudioStream(source) as stream:
        stream.seek(2.5)
        assert stream.position == 0  # the rate is not known yet
        chunk = next(stream)
        assert chunk.start == round(2.5 * 44100)
    assert source.asked == [2.4]


async def test_async_seek(media: Media) -> None:
    source = TimedFiles(Segmented(media, "aac"))
    async with AudioStream(source) as stream:
        source.hold(True)
        waiting = asyncio.create_task(anext(stream))
        assert await asyncio.get_running_loop().run_in_executor(None, source.blocked.wait, 10)
        stream.seek(1.0)
        source.hold(False)
        chunk = await asyncio.wait_for(waiting, 10)
        assert chunk.start == 44100


def test_repeated_seeks_and_only_the_last_counts(media: Media) -> None:
    source = TimedFiles(Segmented(media, "aac"))
    with AudioStream(TimedFiles(source.media)) as stream:
        whole = everything(stream)
    source.hold(True)
    with AudioStream(source) as stream:
        consumer = threading.Thread(target=stream.seek, args=(0.1,))
        consumer.start()
        consumer.join()
        for seconds in (2.0, 0.3, 3.0, 1.7):
            stream.seek(seconds)
        source.hold(False)
        check(stream, 1.7, whole)


def test_a_blocked_read_gives_way_to_a_seek(media: Media) -> None:
    source = TimedFiles(Segmented(media, "aac"))
    with AudioStream(TimedFiles(source.media)) as stream:
        whole = everything(stream)
    with AudioStream(source, buffer_seconds=100) as stream:
        for seconds in (0.0, 2.0, 0.7):
            next(stream)
            source.hold(True)
            stream.seek(3.3)
            assert source.blocked.wait(10)
            stream.seek(seconds)
            source.hold(False)
            check(stream, seconds, whole)


def test_a_seek_leaves_bytes_that_never_come(media: Media) -> None:
    source = TimedFiles(Segmented(media, "aac"), step=1)
    with AudioStream(TimedFiles(source.media)) as stream:
        whole = everything(stream)
    source.missing = {2}
    with AudioStream(source) as stream:
        next(stream)
        for seconds in (0.1, 2.6, 0.0, 1.9):
            stream.seek(1.3)
            assert source.blocked.wait(10)
            stream.seek(seconds)
            check(stream, seconds, whole, chunks=1)


@pytest.mark.parametrize("timed", [False, True])
def test_beyond_the_end_nothing_comes_and_a_seek_back_works(media: Media, timed: bool) -> None:
    segmented = Segmented(media, "aac")
    content = segmented.init + b"".join(segmented.segments)
    with AudioStream(TimedFiles(segmented) if timed else Seekable(content)) as stream:
        whole = everything(stream)
        for seconds in (1000.0, len(whole) / 44100):
            stream.seek(seconds)
            assert list(stream) == []
            assert stream.position == round(seconds * 44100)
            stream.seek(1.0)
            check(stream, 1.0, whole)


def test_spans_without_times(media: Media) -> None:
    parts = [media.coded(f"tones-{n}.flac", frames=30_000 + n).read_bytes() for n in range(3)]

    class Files:
        def __init__(self, kind: type[Seekable]) -> None:
            self._kind = kind

        def spans(self) -> Iterator[Seekable]:
            return iter([self._kind(part, step=4000) for part in parts])

        def close(self) -> None:
            pass

    for kind in (Seekable, Unseekable):
        with AudioStream(Files(kind)) as stream:  # type: ignore[arg-type]  # they name no container
            whole = everything(stream)
            assert len(whole) == 90_003
            for seconds in (0.1, 1.5, 0.2, 2.0, 0.0, 1.0, 0.9):
                stream.seek(seconds)
                check(stream, seconds, whole)
            stream.seek(5.0)
            assert list(stream) == []


def test_unseekable_input_goes_forward_only(media: Media) -> None:
    content = media.coded("tones-seek.mp3", *FILES["seek.mp3"], frames=60_000).read_bytes()
    with AudioStream(io.BytesIO(content)) as stream:
        whole = everything(stream)
    with AudioStream(Unseekable(content), chunk_frames=1000, buffer_seconds=0.05) as stream:
        stream.seek(0.5)
        check(stream, 0.5, whole)
        stream.seek(0.1)
        for _ in range(2):
            with pytest.raises(SeekRefused):
                next(stream)
        stream.seek(1.0)
        check(stream, 1.0, whole)


def test_after_an_error_a_seek_goes_on(media: Media) -> None:
    content = media.coded("tones-seek.mp3", *FILES["seek.mp3"], frames=60_000).read_bytes()
    with AudioStream(io.BytesIO(content)) as stream:
        whole = everything(stream)
    for fail_at in (1, 3, 5):  # while it opens, and later
        file = Seekable(content, step=4096)
        file.fail_at = fail_at
        with AudioStream(file) as stream:
            with pytest.raises(ConnectionError):
                list(stream)
            for seconds in (0.3, 1.0, 0.0):
                stream.seek(seconds)
                check(stream, seconds, whole)


def test_after_a_cut_end_a_seek_goes_on(media: Media) -> None:
    content = media.coded("tones-seek.flac", frames=60_000).read_bytes()
    with AudioStream(io.BytesIO(content)) as stream:
        whole = everything(stream)
    with AudioStream(io.BytesIO(content[: len(content) // 2])) as stream:
        with pytest.raises(EncodedLengthMismatch):
            list(stream)
        stream.seek(0.2)
        check(stream, 0.2, whole)


def test_a_seek_while_the_queue_is_full(media: Media) -> None:
    content = media.coded("tones-seek.wav", frames=60_000).read_bytes()
    with AudioStream(io.BytesIO(content), chunk_frames=500, buffer_seconds=0.05) as stream:
        assert stream.spec.sample_rate == 44_100  # it begins with the first question
        assert stream._queue.wait(lambda: stream._queue._held > 0.04, 10)
        stream.seek(1.0)
        assert next(stream).start == 44100


def test_close_while_a_seek_blocks(media: Media) -> None:
    source = TimedFiles(Segmented(media, "aac"))
    stream = AudioStream(source)
    next(stream)
    source.hold(True)
    stream.seek(3.0)
    assert source.blocked.wait(10)
    start = time.monotonic()
    stream.close()
    assert time.monotonic() - start < PROMPT
    with pytest.raises(DecoderClosed):
        stream.seek(1.0)
    assert list(stream) == []


def test_a_seek_on_a_file_that_cannot_be_interrupted_waits_for_its_read(media: Media) -> None:
    content = media.coded("tones-seek.mp3", *FILES["seek.mp3"], frames=60_000).read_bytes()
    file = Arriving(content)
    with AudioStream(file) as stream:
        file.arrive(6000)
        next(stream)
        assert file.blocked.wait(10)
        stream.seek(1.0)
        file.arrive(len(content))
        assert next(stream).start == 44100


def test_times_that_are_none() -> None:
    with AudioStream(io.BytesIO()) as stream:
        for seconds in (-0.1, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="finite"):
                stream.seek(seconds)


def test_duration_of_a_file(media: Media) -> None:
    content = media.coded("tones-seek.wav", frames=60_000).read_bytes()
    with AudioStream(io.BytesIO(content)) as stream:
        assert stream.duration == 60_000 / 44100


def test_losses_are_counted_once(media: Media) -> None:
    content = bytearray(media.pcm("flac-16.flac", frames=30_000).read_bytes())
    content[40_000:48_000] = bytes(8000)
    with AudioStream(io.BytesIO(content)) as stream:
        list(stream)
        found = stream.losses
        assert found
        stream.seek(0)
        list(stream)
        assert stream.losses == found
