"""A disk that gets full: who asked for it goes on in memory, and nothing wrong is ever kept."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_storage import (
    ContentMismatch,
    DiskFull,
    DiskWriter,
    ResourceStatus,
    StreamingResource,
)
from kithara_storage.testing import SimFs

PATH = Path("/cache/a")
SIZE = 300_000
CONTENT = random.Random(3).randbytes(SIZE)


async def write_all(resource: StreamingResource, order: list[int], step: int) -> None:
    for number in order:
        await resource.write_at(number * step, CONTENT[number * step : (number + 1) * step])
        await resource.flush()


@given(
    room=st.integers(0, SIZE + 20_000),
    step=st.sampled_from([7_000, 40_000, 65_536, 100_001]),
    data=st.data(),
)
async def test_every_byte_is_served_whenever_the_disk_gets_full(
    room: int, step: int, data: st.DataObject
) -> None:
    fs, told = SimFs(room=room), list[DiskFull]()
    order = data.draw(st.permutations(range(-(-SIZE // step))))
    with opened(fs) as resource:
        resource.spill(told.append)
        resource.restart({"etag": "1"})
        await write_all(resource, order, step)
        for _ in range(5):
            start = data.draw(st.integers(0, SIZE - 1))
            size = data.draw(st.integers(1, 150_000))
            assert resource.read_at(start, size) == CONTENT[start : start + size]
            buffer = bytearray(size)
            count = resource.try_read(start, buffer)
            assert count > 0
            assert buffer[:count] == CONTENT[start : start + count]
        await resource.commit(SIZE)
        assert resource.status is ResourceStatus.COMPLETE
        assert resource.read_at(0, SIZE) == CONTENT
        assert len(told) == resource.spilled
        spilled = resource.spilled
    fs.room = None
    with opened(fs) as again:
        assert (again.status is ResourceStatus.COMPLETE) is not spilled
        for start, stop in ranges_of(again):
            assert again.read_at(start, stop - start) == CONTENT[start:stop]
        if spilled:
            again.confirm({"etag": "1"})
            await write_all(again, order, step)
            await again.commit(SIZE)
            assert again.check()
    assert fs.content(PATH) == CONTENT


@contextmanager
def opened(fs: SimFs) -> Iterator[StreamingResource]:
    """The resource, until its writer has let go of it."""
    with (
        DiskWriter() as writer,
        StreamingResource.open(PATH, writer, resume=True, fs=fs) as resource,
    ):
        yield resource


def ranges_of(resource: StreamingResource) -> list[tuple[int, int]]:
    found, at = [], 0
    while at < SIZE:
        count = resource.available(at)
        if count:
            found.append((at, at + count))
        hole = resource.next_hole(at + count, SIZE)
        at = SIZE if hole is None else hole[1]
    return found


async def test_other_bytes_for_what_is_in_memory_end_the_generation() -> None:
    with opened(SimFs(room=0)) as resource:
        resource.spill(lambda _: None)
        resource.restart()
        await resource.write_at(0, b"abc")
        await resource.flush()
        assert resource.spilled
        await resource.write_at(0, b"abcd")
        await resource.flush()
        await resource.write_at(1, b"X")
        with pytest.raises(ContentMismatch):
            await resource.flush()


async def test_a_new_generation_tries_the_disk_again() -> None:
    fs = SimFs(room=0)
    told: list[DiskFull] = []
    with opened(fs) as resource:
        resource.spill(told.append)
        resource.restart({"etag": "1"})
        await resource.write_at(0, b"abc")
        await resource.flush()
        assert told[0].kept == 0
        fs.room = SIZE
        resource.restart({"etag": "2"})
        await resource.write_at(0, b"def")
        await resource.commit(3)
        assert not resource.spilled
    assert fs.content(PATH) == b"def"


async def test_without_being_asked_it_fails() -> None:
    with opened(SimFs(room=0)) as resource:
        resource.restart()
        await resource.write_at(0, b"abc")
        with pytest.raises(DiskFull):
            await resource.flush()


async def test_a_barrier_that_finds_no_room_fails_nothing() -> None:
    fs = SimFs(room=SIZE)
    with opened(fs) as resource:
        resource.spill(lambda _: None)
        resource.restart({"etag": "1"})
        await resource.write_at(0, b"abc")
        await resource.flush()
        fs.room = 0
        with pytest.raises(DiskFull):
            await resource.barrier()
        await resource.write_at(3, b"def")
        await resource.commit(6)
        assert resource.read_at(0, 10) == b"abcdef"
