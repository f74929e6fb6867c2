from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from kithara_decode import DecoderClosed, PcmChunk, PcmSpec, StreamStats
from kithara_decode._chunk_queue import ChunkQueue, Opened

SPEC = PcmSpec(sample_rate=1000, channels=1)


def chunk(start: int, frames: int = 100) -> PcmChunk:
    return PcmChunk(data=np.zeros((frames, 1), np.float32), start=start, spec=SPEC)


def test_chunks_then_the_error_then_the_error_again() -> None:
    queue = ChunkQueue(1.0)
    error = ConnectionError()
    assert queue.put(chunk(0))
    producer = threading.Thread(target=queue.await_seek, args=(error,))
    producer.start()
    first = queue.take()
    assert first is not None
    assert first.start == 0
    for _ in range(2):
        with pytest.raises(ConnectionError) as raised:
            queue.take()
        assert raised.value is error
    queue.close()
    producer.join(10)


def test_the_producer_waits_for_room_and_goes_on_when_there_is_some() -> None:
    queue = ChunkQueue(0.25)
    accepted: list[bool] = []
    third = threading.Event()

    def produce() -> None:
        accepted.append(queue.put(chunk(0)))
        accepted.append(queue.put(chunk(100)))
        third.set()
        accepted.append(queue.put(chunk(200)))
        queue.finish()

    producer = threading.Thread(target=produce)
    producer.start()
    assert third.wait(10)
    assert not queue.wait(queue.has_finished, 0.05)
    assert queue.take() is not None
    producer.join(10)
    assert accepted == [True, True, True]
    assert queue.has_finished()


def test_one_chunk_always_fits() -> None:
    queue = ChunkQueue(0.001)
    assert queue.put(chunk(0, frames=5000))


def test_close_wakes_the_producer_and_drops_everything() -> None:
    queue = ChunkQueue(0.1)
    assert queue.put(chunk(0))
    answers: list[bool] = []
    producer = threading.Thread(target=lambda: answers.append(queue.put(chunk(100))))
    producer.start()
    queue.close()
    producer.join(10)
    assert answers == [False]
    assert queue.await_seek(ConnectionError()) is None
    assert queue.take() is None
    with pytest.raises(DecoderClosed):
        queue.opened()


def test_a_seek_drops_what_is_queued_and_wakes_the_producer() -> None:
    queue = ChunkQueue(0.1)
    calls: list[str] = []
    queue.interrupt, queue.proceed = lambda: calls.append("no"), lambda: calls.append("yes")
    queue.announce(Opened(spec=SPEC, frames=None, tags={}))
    assert queue.put(chunk(0))
    answers: list[bool] = []
    producer = threading.Thread(target=lambda: answers.append(queue.put(chunk(100))))
    producer.start()
    queue.seek(7.0)
    queue.seek(5.0)
    producer.join(10)
    assert answers == [False]
    assert queue.diverted
    assert queue.position == 5000
    assert queue.await_seek(ConnectionError("it came with the seek")) == 5.0
    assert calls == ["no", "no", "yes"]
    assert queue.take_seek() is None
    assert queue.put(chunk(5000))
    found = queue.take()
    assert found is not None
    assert found.start == 5000
    assert queue.position == 5100


def test_a_seek_takes_the_end_back() -> None:
    queue = ChunkQueue(0.1)
    error = ConnectionError()
    targets: list[float | None] = []
    producer = threading.Thread(target=lambda: targets.append(queue.await_seek(error)))
    producer.start()
    with pytest.raises(ConnectionError):
        queue.take()
    queue.seek(0.0)
    producer.join(10)
    assert targets == [0.0]
    assert not queue.has_chunk()
    queue.close()
    with pytest.raises(DecoderClosed):
        queue.seek(0.0)


def test_only_the_first_span_is_kept() -> None:
    queue = ChunkQueue(1.0)
    queue.announce(Opened(spec=SPEC, frames=1, tags={}))
    queue.announce(Opened(spec=SPEC, frames=2, tags={}))
    assert queue.opened().frames == 1


async def test_stats() -> None:
    queue = ChunkQueue(1.0)
    assert queue.put(chunk(0))
    assert queue.put(chunk(100))
    assert queue.stats == StreamStats(frames=200, seconds_buffered=0.2, underruns=0, losses=0)
    assert await queue.take_async() is not None
    assert queue.take() is not None
    for _ in range(2):
        waiting = asyncio.create_task(queue.take_async())
        await asyncio.sleep(0)  # let it begin to wait
        assert queue.put(chunk(200))
        queue.hand_over()
        assert await waiting is not None
    assert queue.stats == StreamStats(frames=400, seconds_buffered=0.0, underruns=2, losses=0)
    queue.seek(0.0)
    assert queue.take_seek() == 0.0
    waiting = asyncio.create_task(queue.take_async())
    await asyncio.sleep(0)  # let it begin to wait
    assert queue.put(chunk(0))
    assert await waiting is not None
    assert queue.stats.underruns == 2


async def test_a_task_is_woken_by_a_thread() -> None:
    queue = ChunkQueue(1.0)
    waiting = asyncio.create_task(queue.take_async())
    await asyncio.sleep(0)  # let it begin to wait
    assert not waiting.done()
    producer = threading.Thread(target=queue.put, args=(chunk(0),))
    producer.start()
    assert await asyncio.wait_for(waiting, 10) is not None
    producer.join(10)


async def test_a_consumer_that_has_enough_is_woken_for_a_batch() -> None:
    queue = ChunkQueue(1.0)
    for _ in range(3):  # 0.3 s were taken: that is how long the decoding may go on meanwhile
        assert queue.put(chunk(0))
        assert await queue.take_async() is not None
    waiting = asyncio.create_task(queue.take_async())
    await asyncio.sleep(0)  # let it begin to wait
    woken = []
    for _ in range(3):
        assert queue.put(chunk(0))
        woken.append(not queue._sleepers)
    assert woken == [False, False, True]
    assert await waiting is not None


async def test_a_consumer_is_woken_before_the_producer_waits_for_room() -> None:
    queue = ChunkQueue(0.5)
    for start in range(0, 400, 100):
        assert queue.put(chunk(start))
        assert await queue.take_async() is not None
    waiting = asyncio.create_task(queue.take_async())
    await asyncio.sleep(0)  # let it begin to wait
    assert queue.put(chunk(400))
    assert queue._sleepers
    producer = threading.Thread(target=queue.put, args=(chunk(500, frames=450),))
    producer.start()
    assert await asyncio.wait_for(waiting, 10) is not None
    producer.join(10)


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    queue = ChunkQueue(1.0)
    waiting = asyncio.create_task(queue.wait_async(queue.has_chunk, lambda: None))
    await asyncio.sleep(0)  # let it begin to wait
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert queue._sleepers == []
    assert queue.put(chunk(0))


def test_a_closed_loop_does_not_hurt_the_producer() -> None:
    queue = ChunkQueue(1.0)
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(queue.wait_async(queue.has_chunk, lambda: None))
    loop.call_soon(loop.stop)
    loop.run_forever()
    sleepers = list(queue._sleepers)
    waiting.cancel()
    loop.run_until_complete(asyncio.gather(waiting, return_exceptions=True))
    loop.close()
    queue._sleepers.extend(sleepers)  # as if the loop had been closed under the task
    assert queue.put(chunk(0))
