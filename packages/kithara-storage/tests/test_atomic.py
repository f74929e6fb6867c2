from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kithara_storage import AtomicResource, DiskFull, FsOps, ResourceMissing, StorageFailed

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrPath


async def test_written_read_and_replaced(tmp_path: Path) -> None:
    resource = AtomicResource(tmp_path / "list.m3u8")
    assert not resource.exists()
    with pytest.raises(ResourceMissing, match=r"list\.m3u8"):
        await resource.read()
    for content in (b"first", b"", b"x" * 100_000):
        await resource.write(content)
        assert await resource.read() == content
        assert resource.exists()
    assert os.listdir(tmp_path) == ["list.m3u8"]
    assert resource.path.stat().st_mode & 0o777 == 0o600
    assert repr(resource) == "<AtomicResource list.m3u8>"


async def test_many_writers_and_readers_see_whole_contents(tmp_path: Path) -> None:
    contents = [bytes([n]) * 50_000 for n in range(8)]
    await AtomicResource(tmp_path / "a").write(contents[0])

    async def writes(content: bytes) -> None:
        for _ in range(5):
            await AtomicResource(tmp_path / "a").write(content)

    async def reads() -> None:
        for _ in range(50):
            assert await AtomicResource(tmp_path / "a").read() in contents

    await asyncio.gather(*map(writes, contents), reads(), reads())
    assert os.listdir(tmp_path) == ["a"]


async def test_a_full_disk_keeps_the_old_content(tmp_path: Path) -> None:
    class FullFs(FsOps):
        def pwritev(self, fd: int, buffers: Sequence[ReadableBuffer], offset: int) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    await AtomicResource(tmp_path / "a").write(b"old")
    with pytest.raises(DiskFull):
        await AtomicResource(tmp_path / "a", fs=FullFs()).write(b"new")
    assert await AtomicResource(tmp_path / "a").read() == b"old"
    assert os.listdir(tmp_path) == ["a"]


async def test_the_order_is_bytes_then_name_then_folder(tmp_path: Path) -> None:
    calls = []

    class OrderFs(FsOps):
        def fdatasync(self, fd: int) -> None:
            calls.append("fdatasync")
            super().fdatasync(fd)

        def rename(self, source: StrPath, target: StrPath) -> None:
            calls.append("rename")
            super().rename(source, target)

        def fsync_dir(self, directory: StrPath) -> None:
            calls.append("fsync_dir")
            super().fsync_dir(directory)

    await AtomicResource(tmp_path / "a", fs=OrderFs()).write(b"x")
    assert calls == ["fdatasync", "rename", "fsync_dir"]


async def test_leftovers_of_its_own_go_with_the_next_write(tmp_path: Path) -> None:
    (tmp_path / "a.0123456789abcdef.part").write_bytes(b"half")
    (tmp_path / "b.part").write_bytes(b"not ours")
    await AtomicResource(tmp_path / "a").write(b"x")
    assert sorted(os.listdir(tmp_path)) == ["a", "b.part"]


async def test_a_planted_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "a").symlink_to(tmp_path / "target")
    resource = AtomicResource(tmp_path / "a")
    assert not resource.exists()
    with pytest.raises(StorageFailed):
        await resource.read()
    await resource.write(b"new")
    assert await resource.read() == b"new"
    assert (tmp_path / "target").read_bytes() == b"precious"


async def test_a_cancelled_write_leaves_nothing_half_done(tmp_path: Path) -> None:
    resource = AtomicResource(tmp_path / "a")
    await resource.write(b"old")
    task = asyncio.create_task(resource.write(b"new" * 10_000))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.get_running_loop().shutdown_default_executor()
    assert os.listdir(tmp_path) == ["a"]
    assert resource.path.read_bytes() in {b"old", b"new" * 10_000}


async def test_what_cannot_be_looked_at_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageFailed):
        AtomicResource(tmp_path / "file" / "a").exists()
    with pytest.raises(StorageFailed):
        await AtomicResource(tmp_path / "missing" / "a").write(b"x")
    assert not AtomicResource(tmp_path / "missing" / "a").exists()
