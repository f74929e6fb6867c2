"""Writing, reading, waiting and loading in kithara-storage, against bare system calls and peers.

Everything is on for ours: journal, checksums, barriers, publication. Files lie in the folder for
temporary files; the peers write into the same one, in the same minute.
"""

import asyncio
import os
import random
import shutil
import statistics
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiofiles
import diskcache

from kithara_storage import DiskWriter, Durability, FsOps, MemoryFs, StreamingResource
from kithara_storage._filler import BARRIER_BYTES
from kithara_storage._records import Header, coalesced, decode, encode_extents, encode_header
from peers import measure, report, timed

ROUNDS = 5
PIECE = 64 * 1024
SIZE = 512 * 1024 * 1024
SMALL = 64 * 1024 * 1024
IN_MEMORY = Path("/dev/shm")
DATA = os.urandom(PIECE)


async def ours(
    path: Path,
    size: int,
    lags: list[float] | None = None,
    durability: Durability = Durability.DATA,
) -> float:
    """Write in pieces; seconds until all is published, barriers going on beside."""
    started = time.perf_counter()
    with (
        DiskWriter() as writer,
        StreamingResource.open(path, writer, resume=True, durability=durability) as resource,
    ):
        resource.restart({"etag": "1"})
        watch = asyncio.create_task(watch_loop(lags)) if lags is not None else None
        for at in range(0, size, PIECE):
            await resource.write_at(at, DATA)
            if watch is not None and at % (16 * PIECE) == 0:
                await asyncio.sleep(0)
        await resource.flush()
        seconds = time.perf_counter() - started
        if watch is not None:
            watch.cancel()
    return seconds


async def watch_loop(lags: list[float]) -> None:
    """How late the loop is for a timer of one millisecond."""
    while True:
        asked = time.perf_counter()
        await asyncio.sleep(0.001)
        lags.append(time.perf_counter() - asked - 0.001)


def bare(path: Path, size: int) -> None:
    """What no storage can beat: positioned writes, nothing else."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    for at in range(0, size, PIECE):
        os.pwrite(fd, DATA, at)
    os.close(fd)


def bare_with_barriers(path: Path, size: int) -> float:
    """What no storage with barriers can beat: as `bare`, and syncs beside, one at a time."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    started = time.perf_counter()
    with ThreadPoolExecutor(1) as syncer:
        for at in range(0, size, PIECE):
            os.pwrite(fd, DATA, at)
            if (at + PIECE) % BARRIER_BYTES == 0:
                syncer.submit(os.fdatasync, fd)
        seconds = time.perf_counter() - started  # as ours: the last barriers are still to come
    os.close(fd)
    return seconds


async def with_aiofiles(path: Path, size: int) -> None:
    """The usual way in asyncio."""
    async with aiofiles.open(path, "wb") as file:
        for _ in range(0, size, PIECE):
            await file.write(DATA)


def with_diskcache(path: Path, size: int) -> None:
    """Values of 64 KiB in a cache."""
    with diskcache.Cache(str(path), eviction_policy="none") as cache:
        for at in range(0, size, PIECE):
            cache.set(at, DATA)


def timed_writes(folder: Path, size: int, names: set[str]) -> dict[str, Callable[[int], float]]:
    """Every way to write, each into a new place that is removed afterwards."""
    ways: dict[str, Callable[[Path], float]] = {
        "kithara": lambda path: asyncio.run(ours(path, size)),
        "kithara, no sync": lambda path: asyncio.run(ours(path, size, durability=Durability.NONE)),
        "os.pwrite": lambda path: timed(lambda: bare(path, size)),
        "os.pwrite with barriers": lambda path: bare_with_barriers(path, size),
        "aiofiles": lambda path: timed(lambda: asyncio.run(with_aiofiles(path, size))),
        "diskcache": lambda path: timed(lambda: with_diskcache(path, size)),
    }

    def run(way: Callable[[Path], float]) -> float:
        place = Path(tempfile.mkdtemp(dir=folder))
        try:
            return way(place / "a")
        finally:
            shutil.rmtree(place)
            os.sync()  # so that nobody pays for what another left to be written

    def runner(way: Callable[[Path], float]) -> Callable[[int], float]:
        return lambda _: run(way)

    return {name: runner(way) for name, way in ways.items() if name in names}


def reads(folder: Path) -> None:
    """Reading a complete resource in pieces of 64 KiB."""
    path = folder / "read"
    bare(path, SMALL)
    buffer = bytearray(PIECE)
    with DiskWriter() as writer, StreamingResource.open(path, writer) as resource:
        fd = os.open(path, os.O_RDONLY)

        def each(read: Callable[[int], object]) -> float:
            started = time.perf_counter()
            for at in range(0, SMALL, PIECE):
                read(at)
            return (time.perf_counter() - started) / (SMALL // PIECE) * 1e6

        found = measure(
            {
                "kithara": lambda _: each(lambda at: resource.read_into(at, buffer)),
                "os.preadv": lambda _: each(lambda at: os.preadv(fd, [buffer], at)),
                "kithara try_read": lambda _: each(lambda at: resource.try_read(at, buffer)),
            },
            ROUNDS * 3,
        )
        os.close(fd)
    report("reading 64 KiB of a complete resource", "µs", found)


class Waker(threading.Thread):
    """Answers one wait after the other, each when somebody surely waits."""

    def __init__(self, count: int, wake: Callable[[int], object]) -> None:
        super().__init__()
        self.began = 0.0
        self._count = count
        self._wake = wake

    def run(self) -> None:
        """Wake, time after time."""
        for number in range(self._count):
            time.sleep(0.0005)
            self.began = time.perf_counter()
            self._wake(number)


def in_thread(
    count: int, wait: Callable[[int], object], wake: Callable[[int], object]
) -> list[float]:
    """The seconds that each wake-up of this thread takes."""
    took = []
    waker = Waker(count, wake)
    waker.start()
    for number in range(count):
        wait(number)
        took.append(time.perf_counter() - waker.began)
    waker.join()
    return took


async def in_task(
    count: int, wait: Callable[[int], Awaitable[object]], wake: Callable[[int], object]
) -> list[float]:
    """The seconds that each wake-up of this task takes."""
    took = []
    waker = Waker(count, wake)
    waker.start()
    for number in range(count):
        await wait(number)
        took.append(time.perf_counter() - waker.began)
    waker.join()
    return took


def wake_thread(count: int) -> list[float]:
    """Ours, in a thread."""
    with opened(count) as resources:
        return in_thread(
            count, lambda n: resources[n].wait_range(0, 1), lambda n: resources[n].set_length(0)
        )


def wake_task(count: int) -> list[float]:
    """Ours, in a task."""
    with opened(count) as resources:
        return asyncio.run(
            in_task(
                count,
                lambda n: resources[n].wait_range_async(0, 1),
                lambda n: resources[n].set_length(0),
            )
        )


def wake_bare_thread(count: int) -> list[float]:
    """What no wait in a thread can beat: a lock, and nothing else."""
    gates = [threading.Lock() for _ in range(count)]
    for gate in gates:
        gate.acquire()
    return in_thread(count, lambda n: gates[n].acquire(), lambda n: gates[n].release())


def wake_bare_task(count: int) -> list[float]:
    """What no wait in a task can beat: a future, and nothing else."""

    async def run() -> list[float]:
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[None]] = [loop.create_future() for _ in range(count)]
        return await in_task(
            count,
            lambda n: futures[n],
            lambda n: loop.call_soon_threadsafe(futures[n].set_result, None),
        )

    return asyncio.run(run())


def wake_peer(count: int) -> list[float]:
    """The usual way: a task that borrows a thread to wait for a condition."""
    condition = threading.Condition()
    turn = 0

    def wait(number: int) -> None:
        with condition:
            condition.wait_for(lambda: turn > number)

    def wake(number: int) -> None:
        nonlocal turn
        with condition:
            turn = number + 1
            condition.notify()

    return asyncio.run(in_task(count, lambda n: asyncio.to_thread(wait, n), wake))


@contextmanager
def opened(count: int) -> Iterator[list[StreamingResource]]:
    """Many resources with no bytes and no disk."""
    with DiskWriter() as writer, ExitStack() as stack:
        fs = MemoryFs()
        yield [
            stack.enter_context(StreamingResource.open(f"/{n}", writer, fs=fs))
            for n in range(count)
        ]


def wake_ups(count: int) -> None:
    """Threads, tasks, what bounds them, and the usual way to wait in asyncio; by turns."""
    ways = {
        "thread": wake_thread,
        "  a bare lock": wake_bare_thread,
        "task": wake_task,
        "  a bare future": wake_bare_task,
        "to_thread(condition.wait)": wake_peer,
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            took[name] += way(count)
    print("\nwake-up of wait_range")
    for name, values in took.items():
        values.sort()
        middle, late = statistics.median(values) * 1e6, values[len(values) * 99 // 100] * 1e6
        print(f"  {name:<26} p50 {middle:8.1f} µs   p99 {late:8.1f} µs")


async def recovery(folder: Path) -> None:
    """Opening a partial file of 1 GiB whose writer was killed, and a journal of many extents."""
    size = 1024 * 1024 * 1024
    for boot, title in ((1, "kill -9"), (2, "a power cut")):
        path = folder / f"recovery{boot}"
        with DiskWriter() as writer:
            fs = Boot(1)
            resource = StreamingResource.open(path, writer, resume=True, fs=fs)
            resource.restart({"etag": "1"})
            for at in range(0, size, PIECE):
                await resource.write_at(at, DATA)
            await resource.flush()
            resource.close()
        with DiskWriter() as writer:
            started = time.perf_counter()
            with StreamingResource.open(path, writer, resume=True, fs=Boot(boot)) as again:
                seconds = time.perf_counter() - started
                assert again.available(0) == size
        print(f"\nopening 1 GiB of a partial file after {title}: {seconds * 1e3:.1f} ms")
    order = list(range(1_000_000))
    random.Random(1).shuffle(order)
    header = Header(generation=bytes(16), boot=bytes(16), identity=None)
    extents = ((n * 8, n * 8 + 8, 0) for n in order)
    data = encode_header(header) + encode_extents(header, extents)
    started = time.perf_counter()
    log = decode(data)
    assert log is not None
    assert len(coalesced(log.extents)) == 1
    print(f"loading a journal of 1,000,000 extents: {time.perf_counter() - started:.2f} s")


def memory(folder: Path, count: int) -> None:
    """What an open resource costs beyond its descriptors."""
    path = folder / "many"
    path.mkdir()
    for number in range(count):
        (path / f"{number}").write_bytes(b"x")
    with DiskWriter() as writer:
        for resume, names in ((False, "complete"), (True, "partial")):
            places = [path / (f"{n}" if not resume else f"new{n}") for n in range(count)]
            tracemalloc.start()
            opened = [StreamingResource.open(p, writer, resume=resume) for p in places]
            used = tracemalloc.get_traced_memory()[0] / count
            tracemalloc.stop()
            print(f"{count} open resources, {names}: {used:.0f} bytes each")
            for resource in opened:
                resource.close()


class Boot(FsOps):
    """As if the system had been started so many times."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def boot_id(self) -> bytes:
        """Another one for each number."""
        return self._number.to_bytes(16, "little")


def main() -> None:
    """Print all tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = {
            "kithara", "kithara, no sync", "os.pwrite", "os.pwrite with barriers", "aiofiles"
        }  # fmt: skip
        everybody = timed_writes(folder, SIZE, names)
        report("writing 512 MiB in pieces of 64 KiB", "s", measure(everybody, ROUNDS))
        if IN_MEMORY.is_dir():
            in_memory = timed_writes(IN_MEMORY, SIZE, {"kithara", "os.pwrite"})
            report("the same on a file system in memory", "s", measure(in_memory, ROUNDS))
        two = timed_writes(folder, SMALL, {"kithara", "diskcache"})
        report("storing 64 MiB as values of 64 KiB", "s", measure(two, ROUNDS))
        lags: list[float] = []
        asyncio.run(ours(folder / "lag", SIZE, lags))
        lags.sort()
        print(f"\nloop lag during the write: p99 {lags[len(lags) * 99 // 100] * 1e3:.2f} ms")
        (folder / "lag.part").unlink()
        reads(folder)
        wake_ups(400)
        asyncio.run(recovery(folder))
        memory(folder, 5000)


if __name__ == "__main__":
    main()
