"""Two hundred sessions on one loop. `python test_many.py N` prints what N of them cost."""

import asyncio
import sys
import tempfile
from mmap import PAGESIZE
from pathlib import Path
from time import perf_counter

from kithara_assets import asset_store
from kithara_file import FileOptions, FileSource
from kithara_net import HttpClient, NetOptions
from kithara_net.testing import GeneratedContent, ThreadedServer, pattern_bytes

SIZE = 2_000_000
LOOK_AHEAD = 256 * 1024


def resident() -> int:
    """Bytes of this process that are in memory now, where the system tells that so; else 0."""
    facts = Path("/proc/self/statm")
    return int(facts.read_text().split()[1]) * PAGESIZE if facts.exists() else 0


async def one(source: FileSource, size: int) -> int:
    async with source as session:
        await session.wait_complete()
        with session.reader() as reader:
            reader.seek(size - 100)
            assert reader.read() == pattern_bytes(size - 100, size)
        return session.stats.bytes_received


class Lags:
    """How late the loop comes to a callback that is due every 5 ms."""

    EVERY = 0.005

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + self.EVERY
        self._handle = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        self.seconds.append(max(0.0, now - self._due))
        self._due = now + self.EVERY
        self._handle = self._loop.call_at(self._due, self._tick)

    def stop(self) -> float:
        """Answer the 99th percentile."""
        self._handle.cancel()
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]


async def many(count: int, size: int, folder: str) -> tuple[list[int], int, float]:
    """Bytes received, bytes of memory more than before, the lag of the loop in seconds."""
    with ThreadedServer() as server:
        for number in range(count):
            server.add(f"/{number}.mp3", GeneratedContent(size))
        async with HttpClient(NetOptions(connections_per_host=64)) as net:
            with asset_store(folder) as store:
                options = FileOptions(look_ahead=LOOK_AHEAD)
                sources = [
                    FileSource(server.url(f"/{n}.mp3"), store=store, net=net, options=options)
                    for n in range(count)
                ]
                before, lags = resident(), Lags()
                received = await asyncio.gather(*(one(source, size) for source in sources))
                return received, resident() - before, lags.stop()


async def test_two_hundred_sessions_finish(tmp_path: Path, nothing_left: None) -> None:
    received, memory, _ = await many(200, 100_000, str(tmp_path / "many"))
    assert received == [100_000] * 200
    assert memory < 200 * (LOOK_AHEAD + 1024 * 1024)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        began, count = perf_counter(), int(sys.argv[1])
        _, memory, lag = asyncio.run(many(count, SIZE, folder))
        seconds = perf_counter() - began
        sys.stdout.write(
            f"{count} sessions of {SIZE / 1e6} MB: {seconds:.1f} s, "
            f"{memory / count / 1024:.0f} KiB each, loop lag p99 {lag * 1000:.1f} ms\n"
        )
