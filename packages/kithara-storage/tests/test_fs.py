from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kithara_storage import (
    DiskFull,
    DiskWriter,
    Durability,
    FsOps,
    ResourceStatus,
    StorageFailed,
    StreamingResource,
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrPath


class SmallDisk(FsOps):
    """A disk with `room` bytes left, on which writes may be short."""

    def __init__(self, room: int, most: int = 1 << 30) -> None:
        super().__init__()
        self.room = room
        self.most = most

    def pwritev(self, fd: int, buffers: Sequence[ReadableBuffer], offset: int) -> int:
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole = b"".join(bytes(buffer) for buffer in buffers)
        part = whole[: min(self.room, self.most)]
        self.room -= len(part)
        return super().pwritev(fd, [part], offset)


async def test_a_full_disk_fails_one_resource_and_wakes_its_waiters(
    tmp_path: Path, writer: DiskWriter
) -> None:
    small = StreamingResource.open(tmp_path / "small", writer, fs=SmallDisk(6, most=4))
    other = StreamingResource.open(tmp_path / "other", writer)
    wait = asyncio.create_task(small.wait_range_async(0, 9, 30))
    await asyncio.sleep(0)
    await small.write_at(0, b"abc")
    await small.flush()
    await small.write_at(3, b"defghi")
    await other.write_at(0, b"fine")
    with pytest.raises(DiskFull, match="small: no room") as caught:
        await wait
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.recoverable
    assert caught.value.operation == "write"
    assert isinstance(caught.value.__cause__, OSError)
    assert small.status is ResourceStatus.FAILED
    assert small.read_at(0, 9) == b"abc"
    for attempt in (small.write_at(3, b"d"), small.commit(9), small.flush()):
        with pytest.raises(DiskFull) as again:
            await attempt
        assert again.value is caught.value
    await other.commit(4)
    assert other.read_at(0, 4) == b"fine"
    small.close()
    other.close()
    assert os.listdir(tmp_path) == ["other"]


@pytest.mark.parametrize("most", [1, 3, 7, 4096])
async def test_short_writes_are_continued(tmp_path: Path, writer: DiskWriter, most: int) -> None:
    fs = SmallDisk(1 << 30, most)
    with StreamingResource.open(tmp_path / "a", writer, fs=fs) as resource:
        data = os.urandom(5000)
        for at in range(0, 5000, 13):
            await resource.write_at(at, data[at : at + 13])
        await resource.commit(5000)
        assert resource.read_at(0, 5000) == data


async def test_more_buffers_than_one_call_takes(tmp_path: Path, writer: DiskWriter) -> None:
    with StreamingResource.open(tmp_path / "a", writer) as resource:
        data = os.urandom(5000)
        for at in range(5000):
            await resource.write_at(at, data[at : at + 1])
        await resource.commit(5000)
        assert resource.read_at(0, 5000) == data


def test_a_disk_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    class StuckFs(FsOps):
        def pwritev(self, fd: int, buffers: Sequence[ReadableBuffer], offset: int) -> int:
            return 0

    with pytest.raises(OSError, match="wrote nothing"):
        StuckFs().write_all(-1, [memoryview(b"x")], 0)


def test_short_reads_are_continued(tmp_path: Path) -> None:
    class ShortFs(FsOps):
        def preadv(self, fd: int, buffers: Sequence[memoryview], offset: int) -> int:
            return super().preadv(fd, [buffers[0][:3]], offset)

    (tmp_path / "a").write_bytes(b"0123456789")
    fs = ShortFs()
    fd = fs.open(tmp_path / "a", os.O_RDONLY)
    buffer = bytearray(20)
    assert fs.read_all(fd, memoryview(buffer), 2) == 8
    assert buffer[:8] == b"23456789"
    fs.close(fd)


async def test_a_read_into_new_memory_that_comes_short_is_continued(
    tmp_path: Path, writer: DiskWriter
) -> None:
    class ShortFs(FsOps):
        def pread(self, fd: int, size: int, offset: int) -> bytes:
            return super().pread(fd, min(size, 3), offset)

    with StreamingResource.open(tmp_path / "a", writer, fs=ShortFs()) as resource:
        await resource.write_at(0, b"0123456789")
        await resource.flush()
        assert resource.read_at(2, 20) == b"23456789"


async def test_without_positioned_calls_the_bytes_are_the_same(
    tmp_path: Path, writer: DiskWriter
) -> None:
    fs = FsOps()
    fs._positioned = False  # as on Windows
    with StreamingResource.open(tmp_path / "a", writer, fs=fs) as resource:
        for at in range(100, -1, -1):
            await resource.write_at(at, b"%c" % at)
        await resource.commit(101)
        assert resource.read_at(10, 20) == bytes(range(10, 30))


class WornDisk(FsOps):
    """One of its operations fails with EIO, once; what was called is kept in a list."""

    def __init__(self, broken: str) -> None:
        super().__init__()
        self.broken = broken
        self.calls: list[str] = []

    def note(self, name: str) -> None:
        self.calls.append(name)
        if name == self.broken:
            self.broken = ""
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def ftruncate(self, fd: int, length: int) -> None:
        self.note("ftruncate")
        super().ftruncate(fd, length)

    def fdatasync(self, fd: int) -> None:
        self.note("fdatasync")
        super().fdatasync(fd)

    def fullsync(self, fd: int) -> None:
        self.note("fullsync")
        super().fullsync(fd)

    def rename(self, source: StrPath, target: StrPath) -> None:
        self.note("rename")
        super().rename(source, target)

    def fsync_dir(self, directory: StrPath) -> None:
        self.note("fsync_dir")
        super().fsync_dir(directory)


@pytest.mark.parametrize(
    ("broken", "calls"),
    [
        ("fdatasync", ["fdatasync"]),
        ("rename", ["fdatasync", "rename"]),
    ],
)
async def test_a_sync_that_failed_is_never_tried_again(
    tmp_path: Path, writer: DiskWriter, broken: str, calls: list[str]
) -> None:
    fs = WornDisk(broken)
    resource = StreamingResource.open(tmp_path / "a", writer, fs=fs)
    fs.calls.clear()
    await resource.write_at(0, b"abc")
    with pytest.raises(StorageFailed, match="commit failed") as caught:
        await resource.commit(3)
    assert caught.value.errno == errno.EIO
    assert not caught.value.recoverable
    with pytest.raises(StorageFailed) as again:
        await resource.commit(3)
    assert again.value is caught.value
    assert fs.calls == ["ftruncate", *calls]
    assert resource.status is ResourceStatus.FAILED
    # what a sync could not write may change in memory too
    assert resource.read_at(0, 3) == (b"" if broken == "fdatasync" else b"abc")
    resource.close()
    assert os.listdir(tmp_path) == []
    with StreamingResource.open(tmp_path / "a", writer, fs=fs) as fresh:
        await fresh.write_at(0, b"abc")
        await fresh.commit(3)
    assert os.listdir(tmp_path) == ["a"]


async def test_a_folder_that_cannot_be_synced_fails_the_commit(
    tmp_path: Path, writer: DiskWriter
) -> None:
    with StreamingResource.open(tmp_path / "a", writer, fs=WornDisk("fsync_dir")) as resource:
        await resource.write_at(0, b"abc")
        with pytest.raises(StorageFailed):
            await resource.commit(3)
        assert resource.status is ResourceStatus.FAILED
    assert (tmp_path / "a").read_bytes() == b"abc"  # whole, though perhaps not for long


@pytest.mark.parametrize(
    ("durability", "syncs"),
    [
        (Durability.NONE, ["rename"]),
        (Durability.DATA, ["fdatasync", "rename", "fsync_dir"]),
        (Durability.FULL, ["fullsync", "rename", "fsync_dir"]),
    ],
)
async def test_what_each_durability_waits_for(
    tmp_path: Path, writer: DiskWriter, durability: Durability, syncs: list[str]
) -> None:
    fs = WornDisk("")
    with StreamingResource.open(tmp_path / "a", writer, durability=durability, fs=fs) as resource:
        await resource.write_at(0, b"abc")
        fs.calls.clear()
        await resource.commit(3)
    assert fs.calls == ["ftruncate", *syncs]


@pytest.mark.parametrize("left", [b"", b"of a journal that is gone"])
async def test_a_part_is_emptied_only_if_something_is_in_it(
    tmp_path: Path, writer: DiskWriter, left: bytes
) -> None:
    (tmp_path / "a.part").write_bytes(left)
    (tmp_path / "a.map").write_bytes(b"noise")  # so that it is no leftover
    fs = WornDisk("")
    with StreamingResource.open(tmp_path / "a", writer, resume=True, fs=fs) as resource:
        resource.restart()
        await resource.write_at(0, b"abc")
        await resource.flush()
        assert (tmp_path / "a.part").read_bytes() == b"abc"
    assert fs.calls.count("ftruncate") == bool(left)
