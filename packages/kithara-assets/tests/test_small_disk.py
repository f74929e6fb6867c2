"""What only a file system of its own can show; where mounting is not allowed it is not shown."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kithara_assets import (
    AtomicResource,
    CacheDegraded,
    DiskAssetStore,
    DiskFull,
    EvictConfig,
    Removed,
    ResourceKey,
    SpillingAssets,
    StorageFailed,
    StreamingResource,
    UnusableRoot,
    asset_store,
)
from kithara_storage._errors import from_os_error

MIB = 1024 * 1024


def mount(*arguments: object) -> bool:
    """Whether the system mounted what was asked for."""
    ran = subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False)
    return ran.returncode == 0


@pytest.fixture
def disk(tmp_path: Path, no_leaks: None) -> Iterator[Path]:
    """A disk of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() or not mount(
        "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder
    ):  # fmt: skip
        pytest.skip("this user may not mount a tmpfs")
    yield folder
    subprocess.run(["umount", folder], check=True)


async def put(store: DiskAssetStore, name: str, size: int) -> None:
    with store.open_streaming_resource(ResourceKey(name, "x.bin")) as resource:
        for at in range(0, size, MIB // 4):
            await resource.write_at(at, bytes(min(MIB // 4, size - at)))
        await resource.commit(size)


def assets(root: Path) -> list[str]:
    return sorted(name for name in os.listdir(root) if name not in {"CACHEDIR.TAG", "_index"})


async def test_a_small_disk_holds_what_is_newest_and_what_is_pinned(disk: Path) -> None:
    with asset_store(disk / "cache") as store:
        await put(store, "pinned", MIB)
        store.pin("pinned")
        for number in range(8):
            await put(store, f"asset-{number}", 2 * MIB)
        assert "asset-7" in assets(store.root)
        with pytest.raises(DiskFull):
            await put(store, "too-large", 16 * MIB)
    with asset_store(disk / "cache") as store:
        assert store.verify().dropped == ()
        assert "pinned" in assets(store.root)
        await put(store, "after", 2 * MIB)
        assert (store.root / "after/x.bin").stat().st_size == 2 * MIB


def test_a_read_only_root_is_for_reading(disk: Path) -> None:
    root, key = disk / "cache", ResourceKey("song", "x.bin")
    with asset_store(root) as store:
        asyncio.run(put(store, "song", 1000))
        store.pin("song")
    assert mount("-o", "remount,ro", disk)
    with asset_store(root, EvictConfig(max_bytes=0)) as store:
        with store.open_streaming_resource(key) as resource, store.lease("song"):
            assert resource.read_at(0, 2000) == bytes(1000)
        assert asyncio.run(store.open_atomic_resource(key).read()) == bytes(1000)
        with pytest.raises(StorageFailed):
            store.open_streaming_resource(ResourceKey("new", "x.bin"))
        for refused in (
            lambda: store.lease("new"), lambda: store.pin("song"), lambda: store.unpin("song"),
            lambda: store.delete_asset("song"),
        ):  # fmt: skip
            with pytest.raises(UnusableRoot):
                refused()
        assert store.evict() == store.clear() == Removed()
        assert store.is_complete("song")
        assert store.usage().assets == len(store.assets()) == 1
        assert store.verify().dropped == ()


async def test_who_goes_on_without_room_reads_everything(disk: Path) -> None:
    content = os.urandom(12 * MIB)
    told: list[CacheDegraded] = []
    config = EvictConfig(min_free_bytes=None)  # so that what is kept stays to be looked at
    with asset_store(disk / "cache", config) as store:
        await put(store, "old", 2 * MIB)
        view = SpillingAssets(store, told.append)
        with view.open_streaming_resource(ResourceKey("large", "x.bin"), resume=True) as resource:
            resource.restart({"etag": "1"})
            for at in range(0, len(content), MIB // 4):
                await resource.write_at(at, content[at : at + MIB // 4])
            await view.open_atomic_resource(ResourceKey("large", "a.m3u8")).write(content[:MIB])
            await resource.commit(len(content))
            assert resource.read_at(0, len(content)) == content
            assert resource.spilled
        view.close()
        assert len(told) == 1
        assert "old" not in assets(store.root)
    with asset_store(disk / "cache", config) as store:
        assert store.verify().dropped == ()
        with store.open_streaming_resource(ResourceKey("large", "x.bin"), resume=True) as kept:
            size = kept.available(0)
            assert told[0].error.kept <= size < len(content)
            assert kept.read_at(0, size) == content[:size]


async def test_what_was_measured_while_it_was_empty_makes_room_too(disk: Path) -> None:
    with asset_store(disk / "cache") as store:
        with store.open_streaming_resource(ResourceKey("old", "x.bin")) as resource:
            assert store.usage().bytes == 0  # a folder of such a file system takes nothing
            await resource.write_at(0, bytes(MIB))
            await resource.commit(MIB)
        await put(store, "new", 7 * MIB)
        assert assets(store.root) == ["new"]


async def test_not_even_room_for_an_empty_file(tmp_path: Path) -> None:
    class Full:
        """A store on a disk without a free inode."""

        def open_atomic_resource(self, key: ResourceKey) -> AtomicResource:
            raise AssertionError

        def open_streaming_resource(
            self, key: ResourceKey, *, resume: bool = False
        ) -> StreamingResource:
            raise from_os_error(OSError(errno.ENOSPC, "full"), path=tmp_path, operation="open")

        def close(self) -> None:
            raise AssertionError

    told: list[CacheDegraded] = []
    view = SpillingAssets(Full(), told.append)
    for name in ("a.bin", "b.bin"):
        with view.open_streaming_resource(ResourceKey("song", name)) as resource:
            await resource.write_at(0, b"abc")
            await resource.commit(3)
            assert resource.read_at(0, 3) == b"abc"
    view.close()
    view.close()
    assert len(told) == 1
