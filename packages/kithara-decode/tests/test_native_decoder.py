"""Exceptions of the file, on their way through C and back, in every backend."""

from __future__ import annotations

import gc
import io
import threading
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from decode_files import Arriving, Media, Seekable, Unseekable

from kithara_decode import Decoder, DecoderPoisoned, SeekRefused, open_decoder

MADE_BY_FFMPEG = {
    "short.mp3": (),
    "short-flac.ogg": ("-c:a", "flac"),
    "tones-short.opus": ("-c:a", "libopus", "-ar", "48000"),
    "short.aac": ("-c:a", "aac"),
    "short.ts": ("-c:a", "aac"),
    "short.mka": ("-c:a", "aac"),
    "short.m4a": ("-c:a", "alac"),
    "short-frag.mp4": ("-c:a", "alac", "-movflags", "+empty_moov", "-frag_duration", "300000"),
}
NAMES = [
    "short.wav", "short.aiff", "short.caf", "short.au", "short.w64", "short.rf64", "short.flac",
    "short.ogg", *MADE_BY_FFMPEG,
]  # fmt: skip


def content_of(media: Media, name: str) -> bytes:
    if name in MADE_BY_FFMPEG:
        frames = 300_000 if name.endswith("opus") else 60_000
        path = media.coded(name, *MADE_BY_FFMPEG[name], frames=frames)
    elif name.endswith("ogg"):
        path = media.pcm(name, subtype="VORBIS", frames=300_000)
    else:
        path = media.pcm(name, frames=60_000)
    return path.read_bytes()


def everything(decoder: Decoder[np.float32]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.concatenate([np.empty((0, 2), np.float32), *decoder.blocks(4096)])


class Cut(BaseException):
    """Not even an Exception: everything has to come through."""


def failing_runs(content: bytes, step: int) -> Iterator[tuple[Seekable, BaseException]]:
    """A file per read that a whole decode needs; each fails at another one."""
    probe = Seekable(content, step)
    with open_decoder(probe) as decoder:
        everything(decoder)
    for number in range(1, probe.reads + 1):
        file = Seekable(content, step)
        file.fail_at = number
        file.error = Cut(number)
        yield file, file.error


@pytest.mark.parametrize("name", NAMES)
def test_an_exception_at_any_read_comes_out_as_itself_and_a_seek_repairs(
    media: Media, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    content = content_of(media, name)
    with open_decoder(io.BytesIO(content)) as decoder:
        whole = everything(decoder)
    cut_within = 0
    for file, error in failing_runs(content, step=24576):
        try:
            decoder = open_decoder(file)
        except Cut as caught:
            assert caught is error  # noqa: PT017 - only some of the runs fail here
            continue
        with decoder:
            with pytest.raises(Cut) as raised:
                everything(decoder)
            assert raised.value is error
            with pytest.raises(DecoderPoisoned) as poisoned:
                decoder.read(1)
            assert poisoned.value.__cause__ is error
            assert poisoned.value.position == decoder.position
            decoder.seek(decoder.position)
            rest = everything(decoder)
            assert len(rest) == len(whole) - (decoder.position - len(rest))
            tolerance = 0.01 if name.endswith(("opus", "aac", "ts", "mka")) else 0.0
            assert np.abs(rest - whole[len(whole) - len(rest) :]).max(initial=0) <= tolerance
            cut_within += 1
    assert cut_within or name in ("short.m4a", "short.mka", "short-frag.mp4")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", NAMES)
def test_an_exception_at_any_seek_of_the_file_comes_out_as_itself(media: Media, name: str) -> None:
    content = content_of(media, name)

    def work(file: Seekable) -> None:
        with open_decoder(file) as decoder:
            whole = decoder.frames or 60_000
            for frame in (whole * 3 // 4, 100, whole // 2):
                decoder.seek(frame)
                assert len(decoder.read(1000)) == 1000

    probe = Seekable(content, step=24576)
    work(probe)
    assert probe.seeks >= 2
    for number in range(1, probe.seeks + 1):
        file = Seekable(content, step=24576)
        file.fail_seek_at, file.error = number, Cut(number)
        with pytest.raises(Cut) as raised:
            work(file)
        assert raised.value is file.error


def test_unseekable_input_stays_poisoned(media: Media) -> None:
    file = Unseekable(content_of(media, "short.mp3"), step=4096)
    with open_decoder(file) as decoder:
        file.fail_at = file.reads + 1
        with pytest.raises(ConnectionError):
            everything(decoder)
        for _ in range(2):
            with pytest.raises(DecoderPoisoned):
                decoder.read(1)
            with pytest.raises(SeekRefused):
                decoder.seek(decoder.position)


def test_a_failed_repair_can_be_repeated(media: Media) -> None:
    content = content_of(media, "short.flac")
    file = Seekable(content, step=4096)
    with open_decoder(file) as decoder:
        file.fail_at = file.reads + 10
        with pytest.raises(ConnectionError):
            everything(decoder)
        file.fail_at = file.reads + 6  # beyond the bytes that are read again from memory
        with pytest.raises(ConnectionError):
            decoder.seek(50_000)
        with pytest.raises(DecoderPoisoned):
            decoder.read(1)
        decoder.seek(50_000)
        assert len(everything(decoder)) == 10_000


@pytest.mark.parametrize("step", [7, 1000])
@pytest.mark.parametrize("name", NAMES)
def test_short_reads_lose_nothing(media: Media, name: str, step: int) -> None:
    content = content_of(media, name)
    with (
        open_decoder(io.BytesIO(content)) as fast,
        open_decoder(Seekable(content, step)) as slow,
    ):
        assert np.array_equal(fast.read(8000), slow.read(8000))


@pytest.mark.parametrize("name", NAMES)
def test_a_read_that_times_out_now_and_then_loses_nothing(media: Media, name: str) -> None:
    """Whoever tries again from `position` has every frame once, whatever was being read."""
    content = content_of(media, name)
    with open_decoder(io.BytesIO(content)) as decoder:
        whole = everything(decoder)
    file = Seekable(content, step=8192)
    file.error = TimeoutError()
    found = []
    failures = 0
    with open_decoder(file) as decoder:
        file.fail_at = file.reads + 2
        while decoder.position < len(whole):
            try:
                found.append(decoder.read(2000))
            except TimeoutError:
                failures += 1
                decoder.seek(decoder.position)
                file.fail_at = file.reads + 12  # an Ogg page takes up to eight
    assert failures or len(content) < 65536
    tolerance = 0.01 if name.endswith(("opus", "aac", "ts", "mka")) else 0.0
    assert np.abs(np.concatenate(found) - whole).max() <= tolerance


def arrived_in_part(content: bytes) -> Arriving:
    """Three quarters of a long file have arrived, and all but a byte behind a short one."""
    short = len(content) <= 98_304
    file = Arriving(content + bytes(short))
    file.arrive(len(content) if short else len(content) * 3 // 4)
    return file


ARRIVING = [name for name in NAMES if name != "short.m4a"]  # whose index lies behind the sound


@pytest.mark.parametrize("name", ARRIVING)
def test_samples_come_before_the_rest_of_the_bytes(media: Media, name: str) -> None:
    with open_decoder(arrived_in_part(content_of(media, name))) as decoder:
        assert len(decoder.read(1000)) == 1000


@pytest.mark.parametrize("name", ARRIVING)
def test_a_file_closed_under_a_read_is_told_by_the_file(media: Media, name: str) -> None:
    file = arrived_in_part(content_of(media, name))
    told: list[object] = []

    def read_on() -> None:
        try:
            everything(decoder)
        except InterruptedError:
            told.append("closed")

    with open_decoder(file) as decoder:
        reader = threading.Thread(target=read_on)
        reader.start()
        assert file.blocked.wait(10)
        file.close()
        reader.join(10)
    assert told == ["closed"]


def test_other_threads_run_while_c_waits_for_bytes(media: Media) -> None:
    content = content_of(media, "short.mp3")
    file = Arriving(content)
    found: list[int] = []

    def work() -> None:
        with open_decoder(file) as decoder:
            found.append(len(everything(decoder)))

    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(0, len(content), 1000):
        assert file.blocked.wait(10)
        file.arrive(1000)
    worker.join(10)
    assert found == [60_000]


def test_a_decoder_that_is_dropped_frees_what_it_holds(media: Media) -> None:
    class Witness(io.BytesIO):
        pass

    for name in ("short.mp3", "short.flac", "short.ogg", "tones-short.opus"):
        file = Witness(content_of(media, name))
        alive = weakref.ref(file)
        decoder = open_decoder(file)
        decoder.read(100)
        del decoder, file
        gc.collect()
        assert alive() is None, name
