from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kithara_assets import (
    AssetInUse,
    DiskAssetStore,
    InvalidKey,
    ResourceKey,
    StoreClosed,
    UnsafePath,
    UnusableRoot,
    _leases,
    _removal,
    asset_store,
)
from kithara_assets._locks import lock_exclusive, lock_shared

KEY = ResourceKey("song", "a.mp3")


def is_leased(store: DiskAssetStore, asset_root: str = "song") -> bool:
    """Whether another process would find the asset locked."""
    try:
        fd = os.open(store.root / asset_root, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not lock_exclusive(fd)
    finally:
        os.close(fd)


def descriptors_of(folder: Path) -> int:
    fds = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return [os.readlink(fd) for fd in fds if os.path.lexists(fd)].count(str(folder))


async def put(store: DiskAssetStore, key: ResourceKey = KEY, data: bytes = b"bytes") -> None:
    with store.open_streaming_resource(key) as resource:
        await resource.write_at(0, data)
        await resource.commit(len(data))


def becomes_free(store: DiskAssetStore) -> bool:
    """Whether nobody has it leased, as soon as the writer thread has let go of what was closed."""
    tick = threading.Event()
    for _ in range(2000):
        if not is_leased(store):
            return True
        tick.wait(0.005)
    return False


async def test_every_open_handle_holds_the_lease(store: DiskAssetStore) -> None:
    await put(store)
    assert becomes_free(store)
    one, two = (store.open_streaming_resource(KEY) for _ in range(2))
    one.close()
    assert is_leased(store)
    two.close()
    assert becomes_free(store)
    with store.open_streaming_resource(ResourceKey("song", "b.mp3")):
        assert is_leased(store)  # one that is still written too
    assert becomes_free(store)


async def test_one_descriptor_for_one_asset(store: DiskAssetStore) -> None:
    await put(store)
    store.evict()  # what runs in the background has run
    leases = [store.lease("song") for _ in range(20)]
    assert descriptors_of(store.root / "song") == 1
    for lease in leases:
        assert is_leased(store)
        lease.close()
        lease.close()
    assert becomes_free(store)
    assert repr(leases[0]) == "<Lease song closed>"
    assert leases[0].asset_root == "song"


def test_a_lease_of_nothing_leaves_nothing(store: DiskAssetStore) -> None:
    with store.lease("song"):
        assert is_leased(store)
    store.open_streaming_resource(ResourceKey("song", "segments/deep/1.ts")).close()
    assert sorted(os.listdir(store.root)) == ["CACHEDIR.TAG", "_index"]


async def test_what_is_only_looked_for_makes_no_folder(store: DiskAssetStore) -> None:
    assert not store.open_atomic_resource(KEY).exists()
    assert not (store.root / "song").exists()


def test_leases_that_cannot_be(store: DiskAssetStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidKey):
        store.lease("../up")
    (store.root / "link").symlink_to(tmp_path)
    with pytest.raises(UnsafePath):
        store.lease("link")
    (store.root / "file").write_bytes(b"")
    with pytest.raises(UnusableRoot):
        store.lease("file")
    store.close()
    with pytest.raises(StoreClosed):
        store.lease("song")


async def test_a_folder_that_another_made_meanwhile_is_not_taken(
    store: DiskAssetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the open and the lock somebody takes the folder away, and a third makes a new one."""
    await put(store)
    assert becomes_free(store)

    def lock(fd: int) -> bool:
        os.rename(store.root / "song", store.root / "_index/gone")
        os.mkdir(store.root / "song")
        return lock_exclusive(fd)

    monkeypatch.setattr(_removal, "lock_exclusive", lock)
    with pytest.raises(AssetInUse):
        store.delete_asset("song")
    assert (store.root / "song").is_dir()


async def test_a_folder_that_was_replaced_is_not_believed(
    store: DiskAssetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody takes the folder away between the open and the lock of another."""
    await put(store)
    assert becomes_free(store)
    remover = os.open(store.root / "song", os.O_RDONLY)
    assert lock_exclusive(remover)
    opened = threading.Event()

    def lock(fd: int) -> bool:
        opened.set()
        return lock_shared(fd)

    monkeypatch.setattr(_leases, "lock_shared", lock)
    leases = []
    asked = threading.Thread(target=lambda: leases.append(store.lease("song")))
    asked.start()
    assert opened.wait(10)
    os.rename(store.root / "song", store.root / "_index/gone")
    os.mkdir(store.root / "song")  # and a third makes a new one
    os.close(remover)
    asked.join()
    assert is_leased(store)
    (store.root / "song/a.mp3").write_bytes(b"new")
    with leases[0]:
        assert store.open_streaming_resource(KEY).read_at(0, 9) == b"new"


async def test_a_folder_that_vanished_comes_again(store: DiskAssetStore) -> None:
    with store.lease("song"):
        shutil.rmtree(store.root / "song")
        await put(store)
        assert (store.root / "song/a.mp3").read_bytes() == b"bytes"
        assert is_leased(store)
    assert becomes_free(store)


async def test_the_last_use_is_the_time_of_the_folder(store: DiskAssetStore) -> None:
    await put(store)
    assert becomes_free(store)
    folder = store.root / "song"
    os.utime(folder, (1, 1))
    store.open_streaming_resource(KEY).close()
    assert becomes_free(store)
    used = folder.stat().st_mtime
    assert used > 1_000_000
    os.utime(folder, (used - 30, used - 30))
    store.open_streaming_resource(KEY).close()
    assert becomes_free(store)
    assert folder.stat().st_mtime == used - 30  # not more often than once a minute
    lease = store.lease("song")
    os.utime(folder, (2, 2))
    lease.close()  # it was in use until now
    assert folder.stat().st_mtime > 1_000_000


OTHER = """
import sys, os
from kithara_assets import asset_store
store = asset_store(sys.argv[1])
lease = store.lease("song")
print("leased", flush=True)
sys.stdin.readline()
os._exit(0)
"""


def test_a_killed_process_gives_its_leases_free(store: DiskAssetStore) -> None:
    asyncio.run(put(store))
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, store.root], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"leased\n"
        assert is_leased(store)
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert becomes_free(store)


FORKS = """
import os, sys, warnings
warnings.simplefilter("ignore")  # newer systems warn of any fork with threads
from kithara_assets import StoreClosed, asset_store
store = asset_store(sys.argv[1])
lease = store.lease("song")
end, begin = os.pipe()
ready, is_ready = os.pipe()
child = os.fork()
if child == 0:
    try:
        store.lease("song")
    except StoreClosed:
        pass
    else:
        os._exit(3)
    os.write(is_ready, b"x")
    os.read(end, 1)
    lease.close()
    os._exit(0)
def free():
    other = asset_store(sys.argv[1])
    from kithara_assets._locks import lock_exclusive
    fd = os.open(other.root / "song", os.O_RDONLY)
    found = lock_exclusive(fd)
    os.close(fd)
    other.close()
    return found
os.read(ready, 1)
assert not free(), "the parent's lease was lost at the fork"
lease.close()
assert free(), "the child holds the parent's lock"
os.write(begin, b"x")
assert os.waitpid(child, 0)[1] == 0
store.close()
"""


def test_a_forked_child_neither_drops_nor_keeps_a_lease(store: DiskAssetStore) -> None:
    asyncio.run(put(store))
    subprocess.run([sys.executable, "-c", FORKS, store.root], check=True, timeout=30)


async def test_threads_that_open_and_close_at_once(store: DiskAssetStore) -> None:
    await put(store)
    start = threading.Barrier(4)
    wrong: list[object] = []

    def use() -> None:
        start.wait()
        for _ in range(200):
            with store.open_streaming_resource(KEY) as resource:
                if resource.read_at(0, 9) != b"bytes" or not is_leased(store):
                    wrong.append(resource)

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    assert wrong == []
    assert becomes_free(store)


async def test_leases_outlive_the_store(tmp_path: Path) -> None:
    store = asset_store(tmp_path / "cache")
    await put(store)
    lease = store.lease("song")
    store.close()
    assert is_leased(store)
    lease.close()
    assert becomes_free(store)
