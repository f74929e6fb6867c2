from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kithara_storage import (
    DiskWriter,
    FsOps,
    LengthMismatch,
    ResourceClosed,
    StorageFailed,
    StreamingResource,
    WriterClosed,
    _filler,
)
from kithara_storage._waiters import Waiter, wake_all

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class GatedFs(FsOps):
    """Writes wait at a gate; `waiting` tells that one stands there."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.waiting = threading.Event()
        self.writes: list[list[int]] = []

    def pwritev(self, fd: int, buffers: Sequence[ReadableBuffer], offset: int) -> int:
        self.waiting.set()
        assert self.gate.wait(30)
        self.writes.append([len(memoryview(buffer)) for buffer in buffers])
        return super().pwritev(fd, buffers, offset)


@pytest.fixture
def fs() -> GatedFs:
    return GatedFs()


async def hold(resource: StreamingResource, fs: GatedFs) -> None:
    """Get the writer thread to stand at the gate with the first byte."""
    await resource.write_at(0, b"0")
    await asyncio.to_thread(fs.waiting.wait, 30)


async def test_a_full_writer_makes_tasks_wait_in_order(tmp_path: Path, fs: GatedFs) -> None:
    with (
        DiskWriter(max_pending_bytes=10) as writer,
        StreamingResource.open(tmp_path / "a", writer, fs=fs) as resource,
    ):
        await hold(resource, fs)
        await resource.write_at(1, bytes(9))
        assert writer.pending_bytes == 10
        done: list[int] = []

        async def put(offset: int, size: int) -> None:
            await resource.write_at(offset, bytes(size))
            done.append(offset)

        tasks = [asyncio.create_task(put(at, size)) for at, size in ((10, 8), (18, 1), (19, 50))]
        await asyncio.sleep(0)
        assert done == []
        assert writer.pending_bytes == 10  # bounded, whatever waits
        fs.gate.set()
        await asyncio.gather(*tasks)
        assert done == [10, 18, 19]
        await resource.flush()
        assert resource.available(0) == 69
        assert writer.pending_bytes == 0


async def test_what_gathers_while_the_disk_is_busy_is_one_write(
    tmp_path: Path, writer: DiskWriter, fs: GatedFs
) -> None:
    with StreamingResource.open(tmp_path / "a", writer, fs=fs) as resource:
        await hold(resource, fs)
        woken = [asyncio.create_task(resource.wait_range_async(0, n)) for n in range(2, 20)]
        await asyncio.sleep(0)
        for at in range(1, 20):
            await resource.write_at(at, b"x")
        fs.gate.set()
        assert await asyncio.gather(*woken) == ["ready"] * len(woken)
        assert fs.writes == [[1], [1] * 19]


async def test_a_cancelled_write_leaves_the_line_and_lets_the_next_in(
    tmp_path: Path, fs: GatedFs
) -> None:
    with (
        DiskWriter(max_pending_bytes=10) as writer,
        StreamingResource.open(tmp_path / "a", writer, fs=fs) as resource,
    ):
        await hold(resource, fs)
        large = asyncio.create_task(resource.write_at(1, bytes(10)))
        small = asyncio.create_task(resource.write_at(1, b"1"))
        await asyncio.sleep(0)
        large.cancel()
        with pytest.raises(asyncio.CancelledError):
            await large
        await small
        fs.gate.set()
        await resource.flush()
        assert resource.read_at(0, 99) == b"01"


async def test_a_length_stated_meanwhile_refuses_a_write_that_waited(
    tmp_path: Path, fs: GatedFs
) -> None:
    with (
        DiskWriter(max_pending_bytes=1) as writer,
        StreamingResource.open(tmp_path / "a", writer, fs=fs) as resource,
    ):
        await hold(resource, fs)
        late = asyncio.create_task(resource.write_at(1, b"123"))
        await asyncio.sleep(0)
        resource.set_length(2)
        fs.gate.set()
        await late
        with pytest.raises(LengthMismatch):
            await resource.flush()
        assert resource.read_at(0, 9) == b"0"


async def test_fail_and_close_turn_away_only_their_own_line(tmp_path: Path, fs: GatedFs) -> None:
    with DiskWriter(max_pending_bytes=1) as writer:
        held, failed, closed, other = (
            StreamingResource.open(tmp_path / name, writer, fs=fs) for name in "abcd"
        )
        await hold(held, fs)
        tasks = [asyncio.create_task(one.write_at(0, b"x")) for one in (failed, closed, other)]
        await asyncio.sleep(0)
        error = ZeroDivisionError()
        failed.fail(error)
        closed.close()
        with pytest.raises(ZeroDivisionError) as caught:
            await tasks[0]
        assert caught.value is error
        with pytest.raises(ResourceClosed):
            await tasks[1]
        fs.gate.set()
        await tasks[2]
        await other.flush()
        assert other.read_at(0, 1) == b"x"
        for one in (held, failed, other):
            one.close()


async def test_a_failure_comes_after_what_was_accepted_before_it(
    tmp_path: Path, writer: DiskWriter, fs: GatedFs
) -> None:
    with StreamingResource.open(tmp_path / "a", writer, fs=fs) as resource:
        await hold(resource, fs)
        await resource.write_at(1, b"1")
        waits = [asyncio.create_task(resource.wait_range_async(0, stop)) for stop in (2, 3)]
        await asyncio.sleep(0)
        error = ZeroDivisionError()
        resource.fail(error)
        await asyncio.sleep(0)
        assert not any(wait.done() for wait in waits)
        fs.gate.set()
        assert await asyncio.gather(*waits, return_exceptions=True) == ["ready", error]


async def test_close_of_a_resource_does_not_wait_for_its_write(tmp_path: Path, fs: GatedFs) -> None:
    with DiskWriter() as writer:
        resource = StreamingResource.open(tmp_path / "a", writer, fs=fs)
        await hold(resource, fs)
        resource.close()  # the disk hangs; this returns
        again = StreamingResource.open(tmp_path / "a", writer)
        assert again.available(0) == 0
        fs.gate.set()
        await again.write_at(0, b"new")
        await again.commit(3)
        assert again.read_at(0, 3) == b"new"
        again.close()
    assert os.listdir(tmp_path) == ["a"]


async def test_leaving_writes_what_was_accepted(tmp_path: Path) -> None:
    with DiskWriter() as writer:
        resource = StreamingResource.open(tmp_path / "a", writer)
        for at in range(100):
            await resource.write_at(at, b"x")
    assert resource.read_at(0, 200) == b"x" * 100
    writer.close()
    with pytest.raises(WriterClosed):
        await resource.write_at(100, b"x")
    with pytest.raises(WriterClosed):
        await resource.commit(100)
    resource.close()
    with pytest.raises(WriterClosed):
        writer.__enter__()


async def test_it_must_be_entered_and_needs_room(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="positive"):
        DiskWriter(0)
    resource = StreamingResource.open(tmp_path / "a", DiskWriter())
    with resource, pytest.raises(WriterClosed, match="with"):
        await resource.write_at(0, b"x")


class DyingFs(FsOps):
    def pwritev(self, fd: int, buffers: Sequence[ReadableBuffer], offset: int) -> int:
        raise SystemExit  # ends a thread in silence


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # intended
async def test_a_dead_writer_leaves_nobody_waiting(tmp_path: Path) -> None:
    with DiskWriter() as writer:
        resource = StreamingResource.open(tmp_path / "a", writer, fs=DyingFs())
        wait = asyncio.create_task(resource.wait_range_async(0, 1, 30))
        await asyncio.sleep(0)
        await resource.write_at(0, b"x")
        with pytest.raises(StorageFailed, match="writer died") as caught:
            await wait
        assert isinstance(caught.value.__cause__, SystemExit)
        with pytest.raises(StorageFailed):
            await resource.flush()
        resource.close()


async def test_a_writer_at_rest_keeps_no_resource_alive(tmp_path: Path, writer: DiskWriter) -> None:
    gone = threading.Event()
    fs = FsOps()
    weakref.finalize(fs, gone.set)
    resource = StreamingResource.open(tmp_path / "a", writer, resume=True, fs=fs)
    resource.restart({"etag": "1"})
    await resource.write_at(0, bytes(100))
    await resource.barrier()
    resource.close()
    del resource, fs
    gc.collect()
    assert gone.wait(10)  # its last alarm comes half a second later


async def test_who_hears_of_a_commit_may_close_and_has_let_go(
    tmp_path: Path, writer: DiskWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = StreamingResource.open(tmp_path / "a", writer, resume=True)
    inside: list[int] = []

    def watched(waiters: Iterable[Waiter]) -> None:
        inside.append(len(resource._body.part.file._users))
        wake_all(waiters)

    resource.restart({"etag": "1"})
    await resource.write_at(0, bytes(100))
    monkeypatch.setattr(_filler, "wake_all", watched)
    await resource.commit(100)
    resource.close()
    assert inside == [0]
