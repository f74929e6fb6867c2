"""A cache of many assets: ours against diskcache, by turns in one run.

`python benchmarks/bench_assets.py [ASSETS …]`; 1,000, 10,000 and 100,000 by default.
"""

import asyncio
import fcntl
import os
import shutil
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import diskcache

from kithara_assets import DiskAssetStore, EvictConfig, ResourceKey, asset_store
from kithara_assets._evictor import Evictor
from kithara_assets._index import Index

SMALL = b"x" * 256
LARGE = bytes(64 * 1024)
NO_CAPS = EvictConfig(max_bytes=None, max_assets=None, min_free_bytes=None)
WARM = ResourceKey("warm", "64k.bin")


def name_of(number: int) -> str:
    """An asset's folder, as long as real ones are."""
    return f"example.org-a-song-{number:08}~abcdefghijklmnopqrst"


def fill(root: Path, count: int) -> None:
    """Make a cache of many small assets with plain system calls, and one of 64 KiB by its API."""
    with asset_store(root, NO_CAPS) as store:
        asyncio.run(commit(store))
    for number in range(count):
        folder = root / name_of(number)
        folder.mkdir(mode=0o700)
        (folder / "a.mp3").write_bytes(SMALL)
        os.utime(folder, (1_700_000_000 + number, 1_700_000_000 + number))
    with asset_store(root, NO_CAPS) as store:
        store.usage()


async def commit(store: DiskAssetStore) -> None:
    """Write a resource as a download does, journal and all."""
    with store.open_streaming_resource(WARM, resume=True) as resource:
        resource.restart({"etag": '"1"'})
        await resource.write_at(0, LARGE)
        await resource.commit(len(LARGE))


def median(call: Callable[[], object], times: int) -> float:
    """Microseconds, p50."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        took.append(time.perf_counter() - begun)
    return statistics.median(took) * 1e6


def ours(root: Path, count: int) -> dict[str, float]:
    """Measure a filled cache of ours."""
    found = {}
    begun = time.perf_counter()
    store = asset_store(root, NO_CAPS)
    with store.open_streaming_resource(WARM) as resource:
        resource.read_at(0, 4)
    found["reopen and first read, ms"] = (time.perf_counter() - begun) * 1e3
    with store:
        store.usage()  # the background is done

        def cold() -> None:
            with store.open_streaming_resource(WARM) as resource:
                resource.read_at(0, len(LARGE))

        found["open + 64 KiB, cold handle, us"] = median(cold, 3000)
        found["as many bare system calls, us"] = median(bare_open(root), 3000)
        with store.lease("warm"):
            found["the same, asset leased, us"] = median(cold, 3000)
        with store.open_streaming_resource(WARM) as resource:
            found["read 64 KiB, warm handle, us"] = median(
                lambda: resource.read_at(0, len(LARGE)), 3000
            )
        name = name_of(0)
        found["touch, us"] = median(lambda: store._evictor.touch(name), 3000)
        begun = time.perf_counter()
        store.usage()
        found["compare with the disk, ms"] = (time.perf_counter() - begun) * 1e3
        found["choose and unlink 1,000, ms"] = evict(store._evictor, min(1000, count // 2))
        found["as many bare renames, ms"] = bare_renames(root, min(1000, count // 2))
        begun = time.perf_counter()
        store._evictor.remover.find_trash()  # the bare ones too
        store._evictor.remover.empty_trash(lambda: False)
        found["their deletion, ms"] = (time.perf_counter() - begun) * 1e3
    found["memory for each asset, bytes"] = memory(count)
    return found


def bare_open(root: Path) -> Callable[[], object]:
    """The system calls of a cold handle, and no more: lease, file, record, bytes."""
    folder, name = os.fspath(root / WARM.asset_root), WARM.rel_path

    def call() -> None:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(held, fcntl.LOCK_SH)
        os.fstat(held)
        os.stat(folder)
        file = os.open(name, os.O_RDONLY, dir_fd=held)
        os.fstat(file)
        record = os.open(f"{name}.meta", os.O_RDONLY, dir_fd=held)
        os.pread(record, 4096, 0)
        os.close(record)
        os.pread(file, len(LARGE), 0)
        os.close(file)
        os.close(held)

    return call


def bare_renames(root: Path, count: int) -> float:
    """Milliseconds that the system takes to rename as many folders, and no more."""
    names = [root / name for name in os.listdir(root) if name.startswith("example")][:count]
    begun = time.perf_counter()
    for number, name in enumerate(names):
        os.rename(name, root / f"_trash-bare-{number}")
    return (time.perf_counter() - begun) * 1e3


def evict(evictor: Evictor, victims: int) -> float:
    """Milliseconds to take the least recently used away, before they are deleted."""
    with evictor._working:
        begun = time.perf_counter()
        taken = evictor._take_while(lambda taken: taken.assets < victims, wait=True)
        took = time.perf_counter() - begun
    assert taken.assets == victims
    return took * 1e3


def memory(count: int) -> float:
    """Bytes that the index takes for each asset."""
    tracemalloc.start()
    index = Index()
    for number in range(count):
        index.measured(name_of(number), time.time_ns() // 1000, 4096 * (number % 1000))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(index) == count
    return size / count


def theirs(folder: Path, count: int) -> dict[str, float]:
    """Measure diskcache with the same content, least recently used first."""
    found = {}
    caps = {"eviction_policy": "least-recently-used", "size_limit": 1 << 40, "cull_limit": 0}
    with diskcache.Cache(folder, **caps) as cache:
        cache.set("warm", LARGE)
        with cache.transact():
            for number in range(count):
                cache.set(name_of(number), SMALL)
    begun = time.perf_counter()
    cache = diskcache.Cache(folder)
    cache.get("warm")
    found["reopen and first read, ms"] = (time.perf_counter() - begun) * 1e3
    with cache:
        found["open + 64 KiB, cold handle, us"] = median(lambda: cache.get("warm"), 1000)
        found["touch, us"] = median(lambda: cache.touch(name_of(0)), 1000)
        victims = min(1000, count // 2)
        begun = time.perf_counter()
        for number in range(victims):
            cache.delete(name_of(number))
        found["choose and unlink 1,000, ms"] = (time.perf_counter() - begun) * 1e3
    return found


def main(counts: list[int]) -> None:
    """Print one table for each number of assets."""
    for count in counts:
        folder = Path(tempfile.mkdtemp(prefix="bench-assets-"))
        try:
            fill(folder / "ours", count)
            mine, peer = ours(folder / "ours", count), theirs(folder / "theirs", count)
        finally:
            shutil.rmtree(folder)
        print(f"{count:,} assets{'ours':>37}{'diskcache':>12}{'ratio':>8}")
        for what, value in mine.items():
            other = peer.get(what)
            beside = "" if other is None else f"{other:12.1f}{value / other:8.2f}"
            print(f"  {what:34}{value:12.1f}{beside}")


if __name__ == "__main__":
    main([int(arg) for arg in sys.argv[1:]] or [1_000, 10_000, 100_000])
