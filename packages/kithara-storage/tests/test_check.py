"""A complete file against its checksums."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_storage import DiskWriter, Durability, MemoryFs, ResourceClosed, StreamingResource

SIZE = 300_000
CONTENT = bytes(range(256)) * (SIZE // 256) + bytes(SIZE % 256)


async def put(path: Path, writer: DiskWriter, *, resume: bool = True, pieces: int = 7) -> None:
    with StreamingResource.open(path, writer, resume=resume) as resource:
        resource.restart({"etag": "1"})
        step = SIZE // pieces + 1
        for at in reversed(range(0, SIZE, step)):
            await resource.write_at(at, CONTENT[at : at + step])
        await resource.commit(SIZE)
        assert resource.check() is (True if resume else None)


async def test_each_flipped_byte_is_seen(tmp_path: Path, writer: DiskWriter) -> None:
    path = tmp_path / "a"
    await put(path, writer)
    for at in (0, 1, SIZE // 2, SIZE - 1):
        with path.open("r+b") as file:
            os.pwrite(file.fileno(), bytes([CONTENT[at] ^ 1]), at)
            with StreamingResource.open(path, writer) as resource:
                assert resource.check() is False
            os.pwrite(file.fileno(), CONTENT[at : at + 1], at)
    with StreamingResource.open(path, writer) as resource:
        assert resource.check() is True
    with pytest.raises(ResourceClosed):
        resource.check()


async def test_what_no_record_tells(tmp_path: Path, writer: DiskWriter) -> None:
    path = tmp_path / "a"
    await put(path, writer, resume=False)
    with StreamingResource.open(path, writer) as resource:
        assert resource.check() is None
    with StreamingResource.open(tmp_path / "b", writer, resume=True) as partial:
        assert partial.check() is None


async def test_a_name_that_a_power_cut_kept(tmp_path: Path, writer: DiskWriter) -> None:
    path = tmp_path / "a"
    await put(path, writer)
    path.with_name("a.meta").rename(path.with_name("a.map"))
    with StreamingResource.open(path, writer) as resource:
        assert resource.check() is True


@given(st.data())
async def test_a_damaged_record_is_never_true_of_other_bytes(data: st.DataObject) -> None:
    fs = MemoryFs()
    path = Path("/a")
    with DiskWriter() as writer:
        with StreamingResource.open(
            path, writer, resume=True, fs=fs, durability=Durability.NONE
        ) as resource:
            resource.restart(None)
            for at in (4, 0, 8):
                await resource.write_at(at, CONTENT[at : at + 4])
                await resource.flush()
            await resource.commit(12)
        record = path.with_name("a.meta")
        fd = fs.open(record, os.O_RDWR)
        size = fs.fstat(fd).st_size
        at = data.draw(st.integers(0, size - 1))
        fs.write_all(fd, (memoryview(data.draw(st.binary(min_size=1, max_size=size - at))),), at)
        fs.ftruncate(fd, data.draw(st.integers(0, size)))
        fs.close(fd)
        final = fs.open(path, os.O_RDWR)
        fs.write_all(final, (memoryview(bytes([CONTENT[5] ^ 255])),), 5)
        fs.close(final)
        with StreamingResource.open(path, writer, fs=fs) as resource:
            assert resource.check() is not True
