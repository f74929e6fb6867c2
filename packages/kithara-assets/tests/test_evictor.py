from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kithara_assets import (
    DiskAssetStore,
    DiskFull,
    EvictConfig,
    Removed,
    ResourceKey,
    asset_store,
)
from kithara_assets import _store as store_module
from kithara_assets._locks import lock_shared
from kithara_assets._survey import measure

KIB = 1024
MIB = 1024 * KIB


async def put(store: DiskAssetStore, name: str, size: int = 100 * KIB) -> None:
    with store.open_streaming_resource(ResourceKey(name, "x.bin")) as resource:
        for at in range(0, size, MIB):
            await resource.write_at(at, bytes(min(MIB, size - at)))
        await resource.commit(size)


def assets(root: Path) -> list[str]:
    return sorted(name for name in os.listdir(root) if name not in {"CACHEDIR.TAG", "_index"})


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for another thread of the store, which tells nobody."""
    tick = threading.Event()
    for _ in range(2000):
        if true():
            return
        tick.wait(0.005)
    raise AssertionError("it never came")


def evicts_down_to(store: DiskAssetStore, names: list[str]) -> bool:
    """Evict until that is what is left; the writer thread may still hold what was just closed."""

    def reached() -> bool:
        store.evict()
        return assets(store.root) == names

    wait_until(reached)
    return True


@pytest.mark.parametrize("levels", [(0.0, 0.5), (0.9, 0.8), (0.5, 1.1)])
def test_configs_that_cannot_be(levels: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="watermark"):
        EvictConfig(low_watermark=levels[0], high_watermark=levels[1])
    with pytest.raises(ValueError, match="negative"):
        EvictConfig(max_bytes=-1)


async def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    with asset_store(tmp_path) as store:
        for name in "abcd":
            await put(store, name)
        store.open_streaming_resource(ResourceKey("a", "x.bin")).close()
        assert store.evict() == Removed()
    with asset_store(tmp_path, EvictConfig(max_assets=3, low_watermark=0.67)) as store:
        assert evicts_down_to(store, ["a", "d"])


async def test_what_was_taken_is_told(tmp_path: Path) -> None:
    with asset_store(tmp_path) as store:
        for name in "abc":
            await put(store, name)
        wait_until(lambda: not store._leases._held)
        with store._evictor._working:  # so that the background is not quicker
            store._evictor._config = EvictConfig(max_bytes=0)
            removed = store.evict()
        assert removed.assets == 3
        assert 300 * KIB <= removed.bytes < 400 * KIB


async def test_recency_is_shared_by_all(tmp_path: Path) -> None:
    with asset_store(tmp_path) as store:
        for name in "abc":
            await put(store, name)
    for n, name in enumerate("abc"):
        os.utime(tmp_path / name, (1000 + n, 1000 + n))
    (tmp_path / "_index/lru.snap").unlink()
    with asset_store(tmp_path) as other:
        other.open_streaming_resource(ResourceKey("a", "x.bin")).close()
        with asset_store(tmp_path, EvictConfig(max_assets=2)) as store:
            assert evicts_down_to(store, ["a"])


async def test_the_cap_holds_while_writing(tmp_path: Path) -> None:
    config = EvictConfig(max_bytes=8 * MIB, min_free_bytes=None)
    with asset_store(tmp_path, config) as store:
        for n in range(12):
            await put(store, f"asset-{n:02}", 2 * MIB)
        wait_until(lambda: measure(str(tmp_path)) < 8.4 * MIB)
        assert "asset-11" in assets(tmp_path)
        assert "asset-00" not in assets(tmp_path)


async def test_it_is_met_when_the_store_is_closed(tmp_path: Path) -> None:
    with asset_store(tmp_path, EvictConfig(max_bytes=4 * MIB)) as store:
        for name in "abc":
            await put(store, name, 3 * MIB)
    assert assets(tmp_path) == ["c"]


async def test_what_is_in_use_stays(tmp_path: Path) -> None:
    nothing = EvictConfig(max_bytes=0)
    with asset_store(tmp_path, nothing) as store:
        with store.open_streaming_resource(ResourceKey("a", "x.bin")) as resource:
            await resource.write_at(0, bytes(3 * MIB))
            await resource.commit(3 * MIB)
            store.evict()
            assert assets(tmp_path) == ["a"]
            assert resource.read_at(2 * MIB, 9) == bytes(9)
        other = os.open(tmp_path / "a", os.O_RDONLY)  # as another process would
        assert lock_shared(other)
        store.evict()
        assert assets(tmp_path) == ["a"]
        os.close(other)
        assert evicts_down_to(store, [])


async def test_age(tmp_path: Path) -> None:
    with asset_store(tmp_path) as store:
        for name in "ab":
            await put(store, name)
    os.utime(tmp_path / "a", (1000, 1000))
    (tmp_path / "_index/lru.snap").unlink()
    with asset_store(tmp_path, EvictConfig(max_age=3600)):
        wait_until(lambda: assets(tmp_path) == ["b"])


async def test_free_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk of 100 MiB with 1 MiB free besides what the cache took and gives back."""
    with asset_store(tmp_path, EvictConfig(min_free_bytes=4 * MIB)) as store:
        for name in "abcd":
            await put(store, name, 2 * MIB)

        def statvfs(path: object) -> os.statvfs_result:
            free = 9 * MIB - measure(str(tmp_path))
            return os.statvfs_result(
                (4096, 4096, 25600, free // 4096, free // 4096, 0, 0, 0, 0, 255)
            )

        monkeypatch.setattr(os, "statvfs", statvfs)
        assert evicts_down_to(store, ["c", "d"])
        monkeypatch.undo()


async def test_sparse_files_count_as_what_they_take(tmp_path: Path) -> None:
    with asset_store(tmp_path, EvictConfig(max_bytes=10 * MIB)) as store:
        resource = store.open_streaming_resource(ResourceKey("a", "x.bin"), resume=True)
        resource.restart({"etag": "1"})
        await resource.write_at(100 * MIB, b"x")
        await resource.flush()
        resource.close()
        store.evict()
        assert assets(tmp_path) == ["a"]


async def test_one_that_cannot_be_removed_is_passed_over(tmp_path: Path) -> None:
    with asset_store(tmp_path, EvictConfig(max_assets=1)) as store:
        real = store._evictor.remover._move

        def move(asset_root: str) -> object:
            if asset_root == "a":
                raise PermissionError(errno.EPERM, "no")
            return real(asset_root)

        store._evictor.remover._move = move  # type: ignore[method-assign,assignment] # one refusal
        for name in "abc":
            await put(store, name)
        assert evicts_down_to(store, ["a"])


async def test_a_full_disk_makes_room_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with asset_store(tmp_path) as store:
        await put(store, "old", MIB)
        real = os.pwritev

        def pwritev(fd: int, buffers: object, offset: int) -> int:
            if (tmp_path / "old").exists():
                raise OSError(errno.ENOSPC, "full")
            return real(fd, buffers, offset)  # type: ignore[arg-type] # passed on as it came

        monkeypatch.setattr(os, "pwritev", pwritev)
        await put(store, "new", MIB)
        assert assets(tmp_path) == ["new"]
        (tmp_path / "old").write_bytes(b"in the way of everything")
        with pytest.raises(DiskFull):
            await put(store, "newer", MIB)


async def test_the_trash_of_others_is_emptied(tmp_path: Path) -> None:
    with asset_store(tmp_path) as store:
        await put(store, "a")
    left = tmp_path / "_trash-x/deep"
    left.mkdir(parents=True)
    (left / "file").write_bytes(b"x")
    (left.parent / "link").symlink_to(tmp_path / "a")
    (tmp_path / "_trash-loose").write_bytes(b"x")
    (tmp_path / "_trash-away").symlink_to(tmp_path / "a")
    with asset_store(tmp_path):
        wait_until(lambda: assets(tmp_path) == ["a"])
    assert os.listdir(tmp_path / "a") == ["x.bin"]


async def test_without_locks_only_what_is_long_unused_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "locks_hold", lambda folder: False)
    with asset_store(tmp_path) as store:
        for name in "abc":
            await put(store, name)
    for name in "ab":
        os.utime(tmp_path / name, (1000, 1000))
    (tmp_path / "_index/lru.snap").unlink()
    with asset_store(tmp_path, EvictConfig(max_bytes=0)) as store, store.lease("b"):
        os.utime(tmp_path / "b", (1000, 1000))
        store.evict()
        assert assets(tmp_path) == ["b", "c"]


async def test_the_start_scans_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with asset_store(tmp_path) as store:
        await put(store, "a")
    here = threading.get_ident()
    scans: list[object] = []
    real = os.scandir

    def scandir(path: object) -> object:
        if threading.get_ident() == here:
            scans.append(path)
        return real(path)  # type: ignore[call-overload] # passed on as it came

    monkeypatch.setattr(os, "scandir", scandir)
    key = ResourceKey("a", "x.bin")
    with asset_store(tmp_path) as store, store.open_streaming_resource(key) as resource:
        assert resource.read_at(0, 4) == bytes(4)
    assert scans == []


async def test_others_that_grow_are_noticed(tmp_path: Path) -> None:
    with asset_store(tmp_path, EvictConfig(max_bytes=6 * MIB)) as store:
        wait_until(lambda: store._evictor._reconciled > 0)
        with asset_store(tmp_path) as other:
            for name in "abcd":
                await put(other, name, 2 * MIB)
            assert await asyncio.to_thread(evicts_down_to, store, ["c", "d"])
