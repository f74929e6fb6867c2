from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kithara_assets import (
    AssetInUse,
    DiskAssetStore,
    EvictConfig,
    InvalidKey,
    Removed,
    ResourceKey,
    StoreClosed,
    UnusableRoot,
    asset_store,
)


async def put(store: DiskAssetStore, name: str, rel_path: str = "x.bin", size: int = 5000) -> None:
    await store.open_atomic_resource(ResourceKey(name, rel_path)).write(bytes(size))


def assets(root: Path) -> list[str]:
    return sorted(name for name in os.listdir(root) if name not in {"CACHEDIR.TAG", "_index"})


async def test_a_pinned_asset_is_never_evicted(tmp_path: Path) -> None:
    with asset_store(tmp_path) as store:
        for name in "abc":
            await put(store, name)
        store.pin("a")
        store.pin("yet-to-come")
        assert store.pins() == ("a", "yet-to-come")
    with asset_store(tmp_path, EvictConfig(max_bytes=0)) as store:
        store.evict()
        assert assets(tmp_path) == ["a"]
        assert store.unpin("a")
        assert not store.unpin("a")
        store.evict()
        assert assets(tmp_path) == []
        assert store.pins() == ("yet-to-come",)


PINS = """
import os, sys
from kithara_assets import asset_store
store = asset_store(sys.argv[1])
store.pin("a", ["x.bin", "y.bin"])
os.kill(os.getpid(), 9)
"""


def test_a_pin_survives_a_killed_process(tmp_path: Path) -> None:
    with asset_store(tmp_path) as store:
        asyncio.run(put(store, "a"))
    ran = subprocess.run([sys.executable, "-c", PINS, tmp_path], timeout=30, check=False)
    assert ran.returncode == -signal.SIGKILL
    with asset_store(tmp_path, EvictConfig(max_bytes=0)) as store:
        store.evict()
        assert store.pins() == ("a",)
        assert store.is_complete("a").missing == ("y.bin",)


async def test_is_complete_names_what_is_missing(store: DiskAssetStore) -> None:
    assert not store.is_complete("a")
    store.pin("a", ["master.m3u8", "segments/1.ts", "segments/2.ts"])
    await put(store, "a", "master.m3u8")
    await put(store, "a", "segments/1.ts")
    found = store.is_complete("a")
    assert not found
    assert found.missing == ("segments/2.ts",)
    with store.open_streaming_resource(ResourceKey("a", "extra.ts")):
        assert store.is_complete("a").missing == ("extra.ts", "segments/2.ts")
    await put(store, "a", "segments/2.ts")
    store.pin("a", ["segments/2.ts"])
    assert store.is_complete("a").missing in {(), ("extra.ts",)}  # the writer thread may hold it
    with pytest.raises(InvalidKey):
        store.pin("a", ["../b"])


@pytest.mark.parametrize("noise", [b"", b"kithara pin 1\nx.b", b"\xff\x00", b"kithara pin 9\nx\n"])
async def test_a_damaged_pin_is_a_pin(store: DiskAssetStore, noise: bytes) -> None:
    await put(store, "a")
    store.pin("a", ["gone.bin"])
    (store.root / "_index/pins/a").write_bytes(noise)
    (store.root / "_index/pins/a.0123456789abcdef.part").write_bytes(b"left by a crash")
    assert store.pins() == ("a",)
    assert store.is_complete("a")
    store._evictor._config = EvictConfig(max_bytes=0)
    store.evict()
    assert assets(store.root) == ["a"]


async def test_what_is_there(tmp_path: Path) -> None:
    with asset_store(tmp_path) as store:
        for name in "abc":
            await put(store, name, size=10_000)
        store.pin("c")
        with store.lease("a"):
            found = store.assets()
            assert [fact.asset_root for fact in found] == ["b", "c", "a"] or len(found) == 3
            by_name = {fact.asset_root: fact for fact in found}
            assert [by_name[name].leased for name in "abc"] == [True, False, False]
            assert [by_name[name].pinned for name in "abc"] == [False, False, True]
            assert all(fact.complete and 10_000 <= fact.bytes < 30_000 for fact in found)
        usage = store.usage()
        assert (usage.assets, usage.pinned) == (3, 1)
        assert usage.bytes == sum(fact.bytes for fact in found)
        assert usage.free
        assert usage.free > 0


async def test_deleting(store: DiskAssetStore) -> None:
    await put(store, "a")
    store.pin("a")
    with store.lease("a"), pytest.raises(AssetInUse) as caught:
        store.delete_asset("a")
    assert caught.value.recoverable
    assert store.delete_asset("a").assets == 1
    assert store.delete_asset("a") == Removed()
    assert store.pins() == ()
    assert assets(store.root) == []
    (store.root / "odd").write_bytes(b"not an asset")
    with pytest.raises(UnusableRoot):
        store.delete_asset("odd")
    with pytest.raises(InvalidKey):
        store.delete_asset("_index")


async def test_clearing(store: DiskAssetStore) -> None:
    for name in "abc":
        await put(store, name)
    store.pin("a")
    with store.lease("b"):
        assert store.clear().assets == 1
        assert assets(store.root) == ["a", "b"]
    assert store.clear(pinned=True).assets == 2
    assert assets(store.root) == []
    assert store.pins() == ()


async def test_pinning_while_it_is_evicted(tmp_path: Path) -> None:
    """Either the pin came first and the asset stays, or the asset is whole in the trash."""
    with asset_store(tmp_path) as store:
        for turn in range(60):
            name = f"asset-{turn}"
            await put(store, name)
            start = threading.Barrier(2)

            def pin(name: str = name, start: threading.Barrier = start) -> None:
                start.wait()
                store.pin(name)

            thread = threading.Thread(target=pin)
            thread.start()
            start.wait()
            outcome, _ = store._evictor.remove(name, pinned=False)
            thread.join()
            assert (outcome.value == "taken") != (tmp_path / name).exists()
            store.pin(name)
            assert store._evictor.remove(name, pinned=False)[0].value != "taken"


def test_after_the_close(tmp_path: Path) -> None:
    store = asset_store(tmp_path)
    store.close()
    for use in (
        lambda: store.pin("a"), lambda: store.unpin("a"), store.pins, store.assets, store.usage,
        store.clear, store.evict, lambda: store.delete_asset("a"), lambda: store.is_complete("a"),
    ):  # fmt: skip
        with pytest.raises(StoreClosed):
            use()
