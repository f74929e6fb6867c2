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
from collections.abc import Callable
from pathlib import Path

import aiofiles
import diskcache

from kithara_storage import DiskWriter, Durability, FsOps, MemoryFs, StreamingResource
from kithara_storage._records import Header, coalesced, decode, encode_extents, encode_header
from peers import measure, report, timed

ROUNDS = 5
PIECE = 64 * 1024
SIZE = 512 * 1024 * 1024
SMALL = 64 * 1024 * 1024
IN_MEMORY = Path("/dev/shm")
PEER = "to_thread(condition.wait)"
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


class WakeUps:
    """One who waits and one who wakes, time after time; the seconds that each wake-up took."""

    def __init__(self, count: int) -> None:
        self.took: list[float] = []
        self.count = count
        self.condition = threading.Condition()
        self.turn = 0
        self.began = 0.0
        self.writer = DiskWriter()
        fs = MemoryFs()
        self.resources = [StreamingResource.open(f"/{n}", self.writer, fs=fs) for n in range(count)]

    def note(self) -> None:
        """The waiter goes on."""
        self.took.append(time.perf_counter() - self.began)

    def in_thread(self) -> None:
        """Wait as a thread."""
        for resource in self.resources:
            resource.wait_range(0, 1)
            self.note()

    async def in_task(self) -> None:
        """Wait as a task."""
        for resource in self.resources:
            await resource.wait_range_async(0, 1)
            self.note()

    async def in_default_pool(self) -> None:
        """Wait as a task that borrows a thread, the usual way."""
        for number in range(1, self.count + 1):
            await asyncio.to_thread(self.wait_turn, number)
            self.note()

    def wait_turn(self, number: int) -> None:
        """The peer's wait."""
        with self.condition:
            while self.turn < number:
                self.condition.wait()

    def wake(self) -> None:
        """Answer one wait after the other, each when somebody surely waits."""
        for resource in self.resources:
            time.sleep(0.0005)
            self.began = time.perf_counter()
            resource.set_length(0)

    def wake_peer(self) -> None:
        """As `wake`, for the peer."""
        for _ in range(self.count):
            time.sleep(0.0005)
            with self.condition:
                self.turn += 1
                self.began = time.perf_counter()
                self.condition.notify()


def wake_ups(count: int) -> None:
    """Threads, tasks, and the usual way to wait for a condition in asyncio."""
    print("\nwake-up of wait_range")
    for name in ("thread", "task", PEER):
        one = WakeUps(count)
        waker = threading.Thread(target=one.wake_peer if name == PEER else one.wake)
        with one.writer:
            waker.start()
            if name == "thread":
                one.in_thread()
            else:
                asyncio.run(one.in_task() if name == "task" else one.in_default_pool())
            waker.join()
            for resource in one.resources:
                resource.close()
        values = sorted(one.took)
        middle, late = statistics.median(values) * 1e6, values[count * 99 // 100] * 1e6
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
        names = {"kithara", "kithara, no sync", "os.pwrite", "aiofiles"}
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
        wake_ups(1000)
        asyncio.run(recovery(folder))
        memory(folder, 5000)


if __name__ == "__main__":
    main()
