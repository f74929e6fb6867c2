"""Two hundred sessions on one loop."""

import asyncio
from mmap import PAGESIZE
from pathlib import Path

from kithara_assets import asset_store
from kithara_file import FileOptions, FileSource
from kithara_net import HttpClient, NetOptions
from kithara_net.testing import GeneratedContent, ThreadedServer, pattern_bytes

SIZE = 100_000
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


async def many(count: int, size: int, folder: str) -> tuple[list[int], int]:
    """Bytes received, and bytes of memory more than before."""
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
                before = resident()
                received = await asyncio.gather(*(one(source, size) for source in sources))
                return received, resident() - before


async def test_two_hundred_sessions_finish(tmp_path: Path, nothing_left: None) -> None:
    received, memory = await many(200, SIZE, str(tmp_path / "many"))
    assert received == [SIZE] * 200
    assert memory < 200 * (LOOK_AHEAD + 1024 * 1024)
