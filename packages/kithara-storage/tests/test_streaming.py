from __future__ import annotations

import asyncio
import os
import random
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from kithara_storage import (
    ContentMismatch,
    DiskWriter,
    LengthMismatch,
    ResourceClosed,
    ResourceIncomplete,
    ResourceStatus,
    StorageFailed,
    StreamingResource,
)


class Broken(Exception):
    pass


async def filled(path: Path, writer: DiskWriter, data: bytes) -> StreamingResource:
    resource = StreamingResource.open(path, writer)
    await resource.write_at(0, data)
    await resource.commit(len(data))
    return resource


async def test_written_committed_and_opened_again(tmp_path: Path, writer: DiskWriter) -> None:
    path = tmp_path / "song.mp3"
    with StreamingResource.open(path, writer) as resource:
        assert repr(resource) == "<StreamingResource song.mp3 partial>"
        assert resource.path == path
        await resource.write_at(3, b"def")
        await resource.write_at(0, b"abc")
        await resource.flush()
        assert resource.available(0) == 6
        assert resource.wait_range(0, 6) == "ready"
        assert not path.exists()
        await resource.commit(6)
        assert resource.length == 6
        assert path.read_bytes() == b"abcdef"
        assert path.stat().st_mode & 0o777 == 0o600
        assert os.listdir(tmp_path) == ["song.mp3"]
        assert resource.read_at(2, 100) == b"cdef"  # the same handle goes on
        await resource.commit(6)
        await resource.write_at(0, b"zzz")
        with pytest.raises(LengthMismatch):
            await resource.write_at(5, b"zz")
        with pytest.raises(LengthMismatch):
            await resource.commit(7)
        resource.fail(Broken())
        assert repr(resource) == "<StreamingResource song.mp3 complete>"
    with StreamingResource.open(path, writer) as again:
        assert again.status is ResourceStatus.COMPLETE
        assert again.read_at(0, 6) == b"abcdef"
        assert again.wait_range(0, 100) == "ready"
        assert again.wait_range(6, 7) == "eof"
        assert again.next_hole(0, 100) is None


async def test_bytes_that_come_again_are_compared(tmp_path: Path, writer: DiskWriter) -> None:
    with StreamingResource.open(tmp_path / "a", writer) as resource:
        await resource.write_at(2, b"22")
        await resource.write_at(0, b"0022")  # in the same batch or in the next: the same result
        await resource.flush()
        await resource.write_at(1, b"0224")
        await resource.flush()
        assert resource.read_at(0, 9) == b"00224"
        await resource.write_at(3, b"2x56")
        with pytest.raises(ContentMismatch) as caught:
            await resource.flush()
        assert caught.value.offset == 4
        assert resource.status is ResourceStatus.FAILED
        with pytest.raises(ContentMismatch):
            await resource.commit(7)
    assert os.listdir(tmp_path) == []


async def test_nothing_of_a_batch_that_contradicts_itself_is_published(
    tmp_path: Path, writer: DiskWriter
) -> None:
    with StreamingResource.open(tmp_path / "a", writer) as resource:
        await asyncio.gather(resource.write_at(0, b"ab"), resource.write_at(1, b"x"))
        with pytest.raises(ContentMismatch):
            await resource.flush()
        assert resource.read_at(0, 1) in {b"", b"a"}
        assert resource.read_at(1, 1) in {b"", b"b"}


async def test_what_a_caller_changes_afterwards_does_not_arrive(
    tmp_path: Path, writer: DiskWriter
) -> None:
    with StreamingResource.open(tmp_path / "a", writer) as resource:
        data = bytearray(b"good")
        await resource.write_at(0, data)  # type: ignore[arg-type]  # a caller may get it wrong
        data[:] = b"evil"
        await resource.flush()
        assert resource.read_at(0, 4) == b"good"


async def test_a_commit_with_a_hole_names_it_and_may_be_repeated(
    tmp_path: Path, writer: DiskWriter
) -> None:
    with StreamingResource.open(tmp_path / "a", writer) as resource:
        await resource.write_at(0, b"ab")
        await resource.write_at(4, b"ef")
        with pytest.raises(ResourceIncomplete, match="bytes 2-3 of 6") as caught:
            await resource.commit(6)
        assert caught.value.hole == (2, 4)
        assert caught.value.recoverable
        assert resource.next_hole(0, 6) == (2, 4)
        await resource.write_at(2, b"cd")
        await resource.commit(6)
        assert resource.path.read_bytes() == b"abcdef"


async def test_lengths_that_contradict(tmp_path: Path, writer: DiskWriter) -> None:
    with StreamingResource.open(tmp_path / "a", writer) as resource:
        await resource.write_at(0, b"abcd")
        with pytest.raises(LengthMismatch) as caught:
            resource.set_length(3)
        assert (caught.value.expected, caught.value.found) == (4, 3)
        with pytest.raises(LengthMismatch):
            await resource.commit(3)
        resource.set_length(6)
        resource.set_length(6)
        with pytest.raises(LengthMismatch):
            resource.set_length(7)
        with pytest.raises(LengthMismatch):
            await resource.write_at(4, b"efg")
        await resource.flush()
        assert resource.next_hole(0, 100) == (4, 6)
        assert resource.next_hole(8, 100) is None
        assert resource.wait_range(6, 7) == "eof"
        assert resource.wait_range(6, 6) == "ready"


async def test_an_empty_resource_is_complete_now_and_missing_later(
    tmp_path: Path, writer: DiskWriter
) -> None:
    with StreamingResource.open(tmp_path / "a", writer) as resource:
        await resource.commit(0)
        assert resource.wait_range(0, 1) == "eof"
    with StreamingResource.open(tmp_path / "a", writer) as again:
        assert again.status is ResourceStatus.PARTIAL
        await again.write_at(0, b"x")
        await again.commit(1)
    assert (tmp_path / "a").read_bytes() == b"x"


async def test_a_failure_is_the_same_object_everywhere(tmp_path: Path, writer: DiskWriter) -> None:
    error = Broken()
    resource = StreamingResource.open(tmp_path / "a", writer)
    with ThreadPoolExecutor(1) as pool:
        thread = pool.submit(resource.wait_range, 4, 8, 30)
        task = asyncio.create_task(resource.wait_range_async(4, 8, 30))
        await asyncio.sleep(0)
        await resource.write_at(0, b"abcd")
        resource.fail(error)
        resource.fail(Broken("the second does not count"))
        assert thread.exception(30) is error
        with pytest.raises(Broken) as caught:
            await task
        assert caught.value is error
    for attempt in (resource.write_at(4, b"x"), resource.flush(), resource.commit(4)):
        with pytest.raises(Broken) as caught:
            await attempt
        assert caught.value is error
    assert resource.status is ResourceStatus.FAILED
    # what was accepted before the failure counts, whatever the writer had done by then
    assert await resource.wait_range_async(0, 4, 30) == "ready"
    assert resource.read_at(0, 8) == b"abcd"
    resource.close()
    assert os.listdir(tmp_path) == []


async def test_close_wakes_everybody_and_removes_the_part(
    tmp_path: Path, writer: DiskWriter
) -> None:
    resource = StreamingResource.open(tmp_path / "a", writer)
    with ThreadPoolExecutor(1) as pool:
        thread = pool.submit(resource.wait_range, 0, 1, 30)
        task = asyncio.create_task(resource.wait_range_async(0, 1, 30))
        await asyncio.sleep(0)
        resource.close()
        resource.close()
        assert isinstance(thread.exception(30), ResourceClosed)
        with pytest.raises(ResourceClosed):
            await task
    assert os.listdir(tmp_path) == []
    assert resource.status is ResourceStatus.CLOSED
    for use in (
        lambda: resource.read_at(0, 1),
        lambda: resource.read_into(0, bytearray(1)),
        lambda: resource.available(0),
        lambda: resource.next_hole(0, 1),
        lambda: resource.wait_range(0, 0),
        lambda: resource.set_length(1),
    ):
        with pytest.raises(ResourceClosed):
            use()
    for attempt in (resource.write_at(0, b"x"), resource.flush(), resource.commit(0)):
        with pytest.raises(ResourceClosed):
            await attempt
    resource.fail(Broken())
    assert "closed" in repr(resource)


async def test_read_into_fills_the_callers_own_memory(tmp_path: Path, writer: DiskWriter) -> None:
    samples = np.arange(1000, dtype=np.float32)
    with await filled(tmp_path / "a", writer, samples.tobytes()) as resource:
        array = np.zeros((10, 2), dtype=np.float32)
        assert resource.read_into(400, array.data) == 80
        assert (array.ravel() == samples[100:120]).all()
        assert resource.read_into(0, bytearray()) == 0
        assert resource.read_into(4000, bytearray(9)) == 0
        assert resource.read_into(3999, bytearray(9)) == 1
        buffer = bytearray(8)
        resource.read_into(0, memoryview(buffer)[4:])
        buffer.append(0)  # nothing of it is held


async def test_arguments_that_make_no_sense(tmp_path: Path, writer: DiskWriter) -> None:
    with StreamingResource.open(tmp_path / "a", writer) as resource:
        for use in (
            lambda: resource.wait_range(-1, 1),
            lambda: resource.wait_range(2, 1),
            lambda: resource.set_length(-1),
            lambda: resource.read_at(0, -1),
            lambda: resource.read_into(-1, bytearray(1)),
        ):
            with pytest.raises(ValueError):
                use()
        for attempt in (resource.write_at(-1, b""), resource.commit(-1)):
            with pytest.raises(ValueError):
                await attempt


async def test_a_file_cut_short_from_outside_is_an_error_and_not_an_end(
    tmp_path: Path, writer: DiskWriter
) -> None:
    with await filled(tmp_path / "a", writer, b"abcdef") as resource:
        with (tmp_path / "a").open("r+b") as file:
            file.truncate(3)
        with pytest.raises(StorageFailed, match="bytes 3-5 are gone"):
            resource.read_at(0, 6)


@pytest.fixture
def tiny_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("tiny_switches")
async def test_no_wake_up_is_lost(tmp_path: Path) -> None:
    """Threads and tasks wait for random ranges while chunks arrive in random order."""
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    content = dice.randbytes(120_000)
    chunks = [(at, content[at : at + 500]) for at in range(0, len(content), 500)]
    dice.shuffle(chunks)

    def check(resource: StreamingResource, start: int, stop: int) -> None:
        buffer = bytearray(stop - start)
        assert resource.read_into(start, buffer) == stop - start, seed
        assert buffer == content[start:stop], seed

    def places(n: int) -> list[tuple[int, int]]:
        own = random.Random(seed + n)
        return [
            (start, start + own.randrange(1, 3000))
            for start in (own.randrange(len(content) - 3000) for _ in range(60))
        ]

    def reads(resource: StreamingResource, n: int) -> None:
        for start, stop in places(n):
            assert resource.wait_range(start, stop, 30) == "ready"
            check(resource, start, stop)

    async def awaits(resource: StreamingResource, n: int) -> None:
        for start, stop in places(n):
            assert await resource.wait_range_async(start, stop, 30) == "ready"
            check(resource, start, stop)

    async def writes(resource: StreamingResource, part: int) -> None:
        for offset, data in chunks[part::3]:
            await resource.write_at(offset, data)
            await asyncio.sleep(0)

    with (
        DiskWriter(max_pending_bytes=2000) as writer,
        StreamingResource.open(tmp_path / "a", writer) as resource,
        ThreadPoolExecutor(8) as pool,
    ):
        threads = [pool.submit(reads, resource, n) for n in range(8)]
        async with asyncio.TaskGroup() as group:
            for n in range(8, 24):
                group.create_task(awaits(resource, n))
            for part in range(3):
                group.create_task(writes(resource, part))
        await resource.commit(len(content))
        for thread in threads:
            thread.result(30)
        assert resource._body._waiters == {}
    assert (tmp_path / "a").read_bytes() == content


@pytest.mark.usefixtures("tiny_switches")
async def test_reading_in_threads_while_another_closes(tmp_path: Path, writer: DiskWriter) -> None:
    """A reader sees its own bytes or ResourceClosed, never a descriptor that means another file."""
    for round_ in range(20):
        own = bytes([round_]) * 40_000
        resource = await filled(tmp_path / f"{round_}", writer, own)
        started = threading.Barrier(5)

        def reads(resource: StreamingResource, own: bytes, started: threading.Barrier) -> int:
            buffer = bytearray(len(own))
            started.wait()
            for count in range(10_000):
                try:
                    resource.read_into(0, buffer)
                except ResourceClosed:
                    return count
                assert buffer == own
            raise AssertionError("close never came")

        with ThreadPoolExecutor(4) as pool:
            counts = [pool.submit(reads, resource, own, started) for _ in range(4)]
            started.wait()
            resource.close()
            other = await filled(
                tmp_path / f"other {round_}", writer, bytes(40_000)
            )  # takes the fd
            for count in counts:
                count.result(30)
            other.close()
