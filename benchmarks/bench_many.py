"""Two hundred sessions in one process on one loop: how late the loop is, and the memory of each.

    python bench_many.py [SESSIONS]

nginx serves files of 2 MB on loopback as fast as it can, all sessions fetch them at once into one
cache. Beside it stand the same downloads with bare aiohttp, which keeps nothing: a loop that has
as much to read is late as well, whatever is done with the bytes.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Coroutine
from functools import partial
from mmap import PAGESIZE
from pathlib import Path
from typing import Any

import aiohttp

import peers
from kithara_assets import asset_store
from kithara_file import FileOptions, FileSource
from kithara_net import HttpClient, NetOptions, RetryNet

ROUNDS = 3
SIZE = 2_000_000
LOOK_AHEAD = 256 * 1024
CONNECTIONS = 32


def resident() -> int:
    """Bytes of this process that are in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGESIZE


class Lags:
    """How late the loop comes to a callback that is due every 5 ms."""

    EVERY = 0.005

    def __init__(self) -> None:
        self._seconds: list[float] = []
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + self.EVERY
        self._handle = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        self._seconds.append(max(0.0, now - self._due))
        self._due = now + self.EVERY
        self._handle = self._loop.call_at(self._due, self._tick)

    def stop(self) -> float:
        """Answer the 99th percentile."""
        self._handle.cancel()
        return sorted(self._seconds)[int(len(self._seconds) * 0.99)]


async def sessions(urls: list[str]) -> float:
    """Fetch all with a session each; the lag in milliseconds."""

    async def one(source: FileSource) -> None:
        async with source as session:
            await session.wait_complete()

    options = FileOptions(look_ahead=LOOK_AHEAD)
    client = HttpClient(NetOptions(connections_per_host=CONNECTIONS))
    with tempfile.TemporaryDirectory() as folder, asset_store(folder) as store:
        async with client:
            net = RetryNet(client)
            made = [FileSource(url, store=store, net=net, options=options) for url in urls]
            before, lags = resident(), Lags()
            await asyncio.gather(*map(one, made))
            each = (resident() - before) / len(urls) / 1024
            lag = lags.stop() * 1000
    print(f"  {each:.0f} KiB of memory for each session")
    return lag


async def bare(urls: list[str]) -> float:
    """Fetch all with aiohttp and forget them; the lag in milliseconds."""
    connector = aiohttp.TCPConnector(limit_per_host=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def one(url: str) -> None:
            async with session.get(url) as response:
                async for _ in response.content.iter_any():
                    pass

        lags = Lags()
        await asyncio.gather(*map(one, urls))
        return lags.stop() * 1000


def run(work: Callable[[list[str]], Coroutine[Any, Any, float]], urls: list[str], _: int) -> float:
    """One run on a loop of its own."""
    return asyncio.run(work(urls))


def main() -> None:
    """Print a table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "0.mp3"
        first.write_bytes(b"ID3\x04" + os.urandom(SIZE - 4))
        for number in range(1, count):
            os.link(first, Path(folder) / f"{number}.mp3")
        with peers.nginx(Path(folder)) as base:
            urls = [f"{base}/{number}.mp3" for number in range(count)]
            runs: dict[str, Callable[[int], float]] = {
                "kithara": partial(run, sessions, urls),
                "aiohttp, keeping nothing": partial(run, bare, urls),
            }
            medians = peers.measure(runs, ROUNDS)
    peers.report(f"lag of the loop (p99) with {count} sessions", "ms", medians)


if __name__ == "__main__":
    main()
