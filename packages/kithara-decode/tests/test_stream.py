from __future__ import annotations

import asyncio
import gc
import io
import threading
import time
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from decode_files import Arriving, Media, Seekable, Unseekable

from kithara_decode import (
    AudioStream,
    CorruptAudio,
    DecodeError,
    DecoderClosed,
    PcmChunk,
    PcmSpec,
    SpanFile,
    UnsupportedFormat,
    open_decoder,
)
from kithara_decode._pcm import Samples

PROMPT = 1.0  # seconds: a tenth of it on an idle machine; who hangs takes longer by far


class Span(Unseekable):
    container: str | None = None


class Spans:
    """A source of spans; `wait` blocks before the last one until the source is closed."""

    def __init__(self, *contents: bytes, wait: bool = False) -> None:
        self._contents = contents
        self._wait = wait
        self._closed = threading.Event()
        self.asked = threading.Event()

    def spans(self) -> Iterator[SpanFile]:
        for content in self._contents:
            yield Span(content, step=3000)
        if self._wait:
            self.asked.set()
            self._closed.wait()
            raise InterruptedError

    def close(self) -> None:
        self._closed.set()


def mp3(media: Media) -> bytes:
    return media.coded("stream.mp3", "-metadata", "title=Song").read_bytes()


def whole(content: bytes) -> Samples:
    with open_decoder(io.BytesIO(content)) as decoder:
        return np.concatenate(list(decoder.blocks(4096)))


def check(
    chunks: list[PcmChunk], expected: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> None:
    assert np.array_equal(np.concatenate([chunk.data for chunk in chunks]), expected)
    at = 0
    for chunk in chunks:
        assert chunk.start == at
        assert chunk.data.flags.c_contiguous
        assert chunk.data.dtype == np.float32
        at += len(chunk.data)


def test_iteration(media: Media) -> None:
    content = mp3(media)
    with AudioStream(io.BytesIO(content), chunk_frames=1000) as stream:
        assert stream.spec == PcmSpec(sample_rate=44100, channels=2)
        assert stream.frames == 200_000
        assert (
            stream.tags["encoder" if "encoder" in stream.tags else "title"] if stream.tags else True
        )
        chunks = list(stream)
        assert stream.position == 200_000
        assert {len(chunk.data) for chunk in chunks} == {1000}
        assert list(stream) == []
    check(chunks, whole(content))


async def test_async_iteration(media: Media) -> None:
    content = mp3(media)
    async with AudioStream(Unseekable(content)) as stream:
        assert await stream.wait_spec() == PcmSpec(sample_rate=44100, channels=2)
        chunks = [chunk async for chunk in stream]
    check(chunks, whole(content))


def test_spans_follow_each_other_without_a_gap(media: Media) -> None:
    flac = media.pcm("span.flac", frames=30_001).read_bytes()
    wav = media.pcm("span.wav", frames=777, channels=1).read_bytes()
    with AudioStream(Spans(mp3(media), flac, wav)) as stream:
        chunks = list(stream)
    mono = whole(wav) * np.float32(0.5**0.5)
    check(chunks, np.concatenate([whole(mp3(media)), whole(flac), mono.repeat(2, axis=1)]))


def test_each_piece_that_arrives_is_asked_for_once(media: Media) -> None:
    """Nothing polls: what arrives slowly costs one read for each piece, and some for the head."""
    content = mp3(media)
    file = Unseekable(content, step=512)
    with AudioStream(file) as stream:
        assert sum(len(chunk.data) for chunk in stream) == 200_000
    assert file.reads <= len(content) // 512 + 16


def test_nothing_decoded_waits_for_bytes_that_are_to_arrive(media: Media) -> None:
    content = mp3(media)
    file = Arriving(content)
    with AudioStream(file) as stream:
        consumer = threading.Thread(target=lambda: list(stream))
        consumer.start()
        for _ in range(8):
            file.arrive(len(content) // 9)
            assert file.blocked.wait(10)
            assert stream._queue.wait(lambda: stream.stats.seconds_buffered == 0, 10)
        file.arrive(len(content))
        consumer.join(10)
    assert stream.position == 200_000


def test_no_more_than_the_buffer_is_decoded_ahead(media: Media) -> None:
    content = media.pcm("ahead.wav", frames=441_000).read_bytes()
    file = Seekable(content, step=8192)
    with AudioStream(file, chunk_frames=4410, buffer_seconds=0.5) as stream:
        assert stream.spec.sample_rate == 44_100  # it begins with the first question
        assert stream._queue.wait(lambda: stream._queue._held > 0.45, 10)
        assert not stream._queue.wait(lambda: stream._queue._held > 0.5, 0.05)
        assert len(next(stream).data) == 4410
        assert file.reads * 8192 < len(content) / 4


def test_an_error_comes_behind_the_samples_as_the_same_object(media: Media) -> None:
    file = Seekable(mp3(media), step=4096)
    file.fail_at = 12
    got: list[PcmChunk] = []
    with AudioStream(file) as stream:
        with pytest.raises(ConnectionError) as raised:
            got.extend(stream)
        assert raised.value is file.error
        with pytest.raises(ConnectionError):
            next(stream)
    assert stream.position == sum(len(chunk.data) for chunk in got) > 10_000


def test_what_is_no_audio_is_told_at_the_spec() -> None:
    with AudioStream(io.BytesIO(b"<html>")) as stream:
        for _ in range(2):
            with pytest.raises(UnsupportedFormat):
                _ = stream.spec
        with pytest.raises(UnsupportedFormat):
            next(stream)


@pytest.mark.parametrize("wrapped", [False, True])
def test_close_while_the_file_blocks(media: Media, wrapped: bool) -> None:
    file = Arriving(mp3(media))
    file.arrive(20_000)
    stream = AudioStream(io.BufferedReader(file) if wrapped else file)
    ended: list[int] = []
    consumer = threading.Thread(target=lambda: ended.append(len(list(stream))))
    consumer.start()
    assert file.blocked.wait(10)
    start = time.monotonic()
    stream.close()
    assert time.monotonic() - start < PROMPT
    consumer.join(10)
    assert len(ended) == 1
    assert file.closed
    stream.close()
    assert list(stream) == []


def test_close_before_the_first_byte(media: Media) -> None:
    file = Arriving(mp3(media))
    stream = AudioStream(file)

    def consume() -> None:
        with pytest.raises(DecoderClosed):
            _ = stream.spec

    consumer = threading.Thread(target=consume)
    consumer.start()
    assert file.blocked.wait(10)
    start = time.monotonic()
    stream.close()
    assert time.monotonic() - start < PROMPT
    consumer.join(10)


def test_close_while_the_queue_is_full(media: Media) -> None:
    stream = AudioStream(io.BytesIO(mp3(media)), buffer_seconds=0.1)
    next(stream)
    start = time.monotonic()
    stream.close()
    assert time.monotonic() - start < PROMPT


def test_close_while_the_next_span_is_awaited(media: Media) -> None:
    source = Spans(mp3(media), wait=True)
    with AudioStream(source, buffer_seconds=100) as stream:
        next(stream)
        assert source.asked.wait(10)
        start = time.monotonic()
        stream.close()
        assert time.monotonic() - start < PROMPT


def test_close_without_ever_having_started() -> None:
    file = io.BytesIO(b"never read")
    stream = AudioStream(file)
    stream.close()
    assert file.closed
    assert list(stream) == []
    with pytest.raises(DecoderClosed):
        _ = stream.spec


async def test_aclose_while_a_task_waits(media: Media) -> None:
    file = Arriving(mp3(media))
    file.arrive(20_000)
    stream = AudioStream(file)

    async def consume() -> int:
        return len([chunk async for chunk in stream])

    consumer = asyncio.create_task(consume())
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, file.blocked.wait, 10)
    start = time.monotonic()
    await stream.aclose()
    assert time.monotonic() - start < PROMPT
    await asyncio.wait_for(consumer, 10)


async def test_a_cancelled_consumer_may_go_on(media: Media) -> None:
    content = mp3(media)
    file = Arriving(content)
    async with AudioStream(file) as stream:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.02)
        file.arrive(len(content))
        chunks = [chunk async for chunk in stream]
    check(chunks, whole(content))


async def test_the_loop_is_never_blocked(media: Media) -> None:
    file = Arriving(mp3(media))
    async with AudioStream(file) as stream:
        waiting = asyncio.create_task(stream.wait_spec())
        ticks = 0
        while not file.blocked.is_set():
            await asyncio.sleep(0)  # only lets other callbacks run
            ticks += 1
        assert ticks
        assert not waiting.done()
        file.arrive(1 << 30)
        await waiting


def test_a_forgotten_stream_warns_and_ends_its_thread(media: Media) -> None:
    stream = AudioStream(io.BytesIO(mp3(media)), buffer_seconds=0.1)
    next(stream)
    thread = stream._thread
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del stream
        gc.collect()
    assert [warning.category for warning in caught] == [ResourceWarning]
    thread.join(10)
    assert not thread.is_alive()


def test_a_source_that_does_not_wake_its_reader_is_told(
    media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kithara_decode._stream.CLOSE_SECONDS", 0.05)

    class Deaf(Arriving):
        def close(self) -> None:
            pass

    file = Deaf(mp3(media))
    stream = AudioStream(file)
    consumer = threading.Thread(target=lambda: list(stream))
    consumer.start()
    assert file.blocked.wait(10)
    with pytest.raises(DecodeError, match="did not wake"):
        stream.close()
    file.arrive(1 << 30)
    consumer.join(10)
    stream._thread.join(10)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        AudioStream(io.BytesIO(), chunk_frames=0)
    with pytest.raises(ValueError, match="positive"):
        AudioStream(io.BytesIO(), buffer_seconds=0.0)


def test_losses_count_from_the_start_of_the_stream(media: Media) -> None:
    content = bytearray(media.pcm("flac-16.flac", frames=30_000).read_bytes())
    content[40_000:48_000] = bytes(8000)

    class Twice:
        def spans(self) -> Iterator[io.BytesIO]:
            return iter((io.BytesIO(content), io.BytesIO(content)))

        def close(self) -> None:
            pass

    with AudioStream(Twice()) as stream:  # type: ignore[arg-type]  # BytesIO names no container
        assert sum(len(chunk.data) for chunk in stream) == 60_000
        first, second = stream.losses
        assert second.frame == first.frame + 30_000
    with AudioStream(io.BytesIO(content), strict=True) as stream, pytest.raises(CorruptAudio):
        for _ in stream:
            pass
