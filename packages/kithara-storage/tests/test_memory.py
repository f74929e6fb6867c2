"""Files in memory, and the descriptor that many use: the same contract as on a disk."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_storage import (
    AtomicResource,
    DiskWriter,
    MemoryFs,
    RangeSet,
    ResourceStatus,
    StreamingResource,
)
from kithara_storage._held import HeldFile

PATH = Path("/nowhere/song.mp3")


async def test_the_whole_way_with_no_disk(tmp_path: Path) -> None:
    fs = MemoryFs()
    path = tmp_path / "song.mp3"
    content = random.Random(1).randbytes(300_000)
    with DiskWriter() as writer:
        with StreamingResource.open(path, writer, resume=True, fs=fs) as resource:
            resource.restart({"etag": "1"})
            await resource.write_at(100_000, content[100_000:])
        with (
            StreamingResource.open(path, writer, resume=True, fs=fs) as again,
            StreamingResource.open(path, writer, resume=True, fs=fs) as follower,
        ):
            assert await again.lead()
            assert again.identity == {"etag": "1"}
            assert again.next_hole(0, 300_000) == (0, 100_000)
            again.confirm()
            await again.write_at(0, content[:100_000])
            await again.commit(300_000)
            assert await follower.lead() is False
            assert follower.read_at(0, 300_000) == content
        with StreamingResource.open(path, writer, fs=fs) as done:
            assert done.status is ResourceStatus.COMPLETE
            assert done.read_at(65_530, 20) == content[65_530:65_550]
        key = AtomicResource(tmp_path / "key", fs=fs)
        await key.write(b"k")
        assert await key.read() == b"k"
    assert os.listdir(tmp_path) == []
    assert sorted(fs.names(tmp_path)) == ["key", "song.mp3", "song.mp3.meta"]


operations = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 200_000), st.binary(max_size=50)),
        st.tuples(st.just("cut"), st.integers(0, 200_000), st.just(b"")),
    ),
    max_size=12,
)


@given(operations)
def test_a_file_in_memory_is_a_file(steps: list[tuple[str, int, bytes]]) -> None:
    fs, model = MemoryFs(), bytearray()
    fd = fs.open(PATH, os.O_RDWR | os.O_CREAT)
    for kind, place, data in steps:
        if kind == "cut":
            fs.ftruncate(fd, place)
            model[place:] = bytes(max(0, place - len(model)))
        elif data:
            fs.write_all(fd, (memoryview(data),), place)
            model.extend(bytes(max(0, place + len(data) - len(model))))
            model[place : place + len(data)] = data
    found = bytearray(len(model) + 10)
    assert fs.read_all(fd, memoryview(found), 0) == len(model)
    assert found[: len(model)] == model
    assert fs.fstat(fd).st_size == len(model)


def test_what_was_never_written_takes_no_memory() -> None:
    fs = MemoryFs()
    fd = fs.open(PATH, os.O_RDWR | os.O_CREAT)
    fs.write_all(fd, (memoryview(b"x"),), 1 << 40)
    assert fs.fstat(fd).st_size == (1 << 40) + 1
    assert fs.try_preadv(fd, [memoryview(bytearray(4))], 5) == 4


def test_names_and_descriptors() -> None:
    fs = MemoryFs()
    with pytest.raises(FileNotFoundError):
        fs.open(PATH, os.O_RDONLY)
    with pytest.raises(FileNotFoundError):
        fs.rename(PATH, PATH)
    one = fs.open(PATH, os.O_RDWR | os.O_CREAT)
    two = fs.open(PATH, os.O_RDWR)
    with pytest.raises(FileExistsError):
        fs.open(PATH, os.O_CREAT | os.O_EXCL)
    assert (fs.flock(one), fs.flock(one), fs.flock(two)) == ("held", "held", "busy")
    fs.close(one)
    assert fs.flock(two) == "held"
    fs.unlink(PATH)
    fs.unlink(PATH)
    assert fs.stat(PATH) is None
    assert fs.fstat(two).st_size == 0
    fs.close(two)
    with pytest.raises(OSError, match="Bad file"):
        fs.fstat(two)


def test_a_held_file_ends_once_with_its_last_user() -> None:
    for _ in range(200):
        ends: list[int] = []
        inside: list[int] = []
        held = HeldFile(7, lambda ends=ends, inside=inside: ends.append(len(inside)))  # type: ignore[misc]  # defaults bind
        barrier = threading.Barrier(5)

        def use(
            held: HeldFile = held,
            inside: list[int] = inside,
            ends: list[int] = ends,
            barrier: threading.Barrier = barrier,
        ) -> None:
            barrier.wait(30)
            for _ in range(5):
                if not held.enter():
                    return
                assert not ends
                held.leave()

        with ThreadPoolExecutor(5) as pool:
            done = [pool.submit(use) for _ in range(4)]
            barrier.wait(30)
            held.close()
            held.close()
            for one in done:
                one.result(30)
        assert len(ends) == 1
        assert not held.enter()
        assert len(ends) == 1


async def test_observers_are_told_every_byte_once(tmp_path: Path, writer: DiskWriter) -> None:
    with StreamingResource.open(tmp_path / "a", writer) as resource:
        told: list[tuple[int, int]] = []
        wrong: list[int] = []

        def breaks(start: int, stop: int) -> None:
            wrong.append(start)
            raise ZeroDivisionError

        await resource.write_at(4, b"4567")
        await resource.flush()
        resource.observe(lambda start, stop: told.append((start, stop)))
        resource.observe(breaks)
        await resource.write_at(0, b"012345678")
        await resource.flush()
        assert list(RangeSet(told)) == [(0, 9)]
        assert sum(stop - start for start, stop in told) == 9
        assert len(wrong) == 1
        await resource.commit(9)
        with StreamingResource.open(tmp_path / "a", writer) as done:
            seen: list[tuple[int, int]] = []
            met = asyncio.Event()
            loop = asyncio.get_running_loop()

            def see(start: int, stop: int) -> None:
                seen.append((start, stop))
                loop.call_soon_threadsafe(met.set)

            done.observe(see)
            await met.wait()
            assert seen == [(0, 9)]
            done.unobserve(see)


async def test_try_read_gives_what_is_there(tmp_path: Path, writer: DiskWriter) -> None:
    resource = StreamingResource.open(tmp_path / "a", writer)
    buffer = bytearray(8)
    assert resource.try_read(0, buffer) == 0
    await resource.write_at(0, b"abcdef")
    await resource.flush()
    assert resource.try_read(2, buffer) == 4
    assert buffer[:4] == b"cdef"
    assert resource.try_read(6, buffer) == 0
    with resource._body.lock:  # somebody is inside: it does not wait
        assert resource.try_read(0, buffer) == 6
    resource.close()
    with pytest.raises(Exception, match="closed"):
        resource.try_read(0, buffer)
