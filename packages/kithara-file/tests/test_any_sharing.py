"""However many sessions of one URL begin, seek and end in whatever order: each reads the file.

`python test_any_sharing.py N` does that N times more.
"""

import asyncio
import random
import sys
import tempfile
from typing import Any

import pytest

from kithara_assets import asset_store
from kithara_file import FileOptions, FileSource, _following
from kithara_net import HttpClient, NetOptions, RetryNet, RetryPolicy
from kithara_net.testing import Behaviour, Server
from kithara_stream import Reader

SONG = b"ID3\x04" + random.Random(5).randbytes(700_000)
MANNERS = (
    Behaviour(),
    Behaviour(stall_after=300_000),
    Behaviour(cut_after=200_000),
    Behaviour(ignore_range=True),
    Behaviour(chunked=True),
    Behaviour(ignore_if_range=True),
)
SERVER_KINDS: tuple[dict[str, Any], ...] = ({}, {"etag": ""}, {"rotate_etag": True})


def reads(reader: Reader, rng: random.Random) -> None:
    for _ in range(rng.randrange(1, 6)):
        if reader.seekable() and rng.random() < 0.5:
            reader.seek(rng.randrange(len(SONG)))
        at = reader.tell()
        size = rng.choice((1, 5000, 200_000))
        assert reader.read(size) == SONG[at : at + size]


async def listen(source: FileSource, rng: random.Random) -> None:
    session = await source.open()
    try:
        with session.reader() as reader:
            await asyncio.to_thread(reads, reader, rng)
        if rng.random() < 0.3:
            await session.wait_complete()
            with session.reader() as reader:
                assert await asyncio.to_thread(reader.read) == SONG
    finally:
        await session.aclose()


async def share(seed: int) -> None:
    rng = random.Random(seed)
    async with Server() as server, HttpClient(NetOptions(stall_timeout=0.3)) as client:
        script = [rng.choice(MANNERS) for _ in range(rng.randrange(4))]
        server.add("/a.mp3", SONG, script=script, **rng.choice(SERVER_KINDS))
        server.bytes_per_second = rng.choice((None, 5_000_000))
        net = RetryNet(client, RetryPolicy(base_delay=0.0))
        with tempfile.TemporaryDirectory() as root, asset_store(root) as store:
            sources = [
                FileSource(
                    server.url("/a.mp3"),
                    store=store,
                    net=net,
                    options=FileOptions(look_ahead=rng.choice((1000, 100_000, 8_000_000))),
                )
                for _ in range(rng.randrange(2, 6))
            ]
            async with asyncio.timeout(30):
                await asyncio.gather(*(listen(s, random.Random(rng.random())) for s in sources))


@pytest.mark.parametrize("seed", range(8))
def test_each_reads_the_file(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_following, "PATIENCE", 0.02)
    monkeypatch.setattr(_following, "FIRST_PATIENCE", 0.05)
    asyncio.run(share(seed))


if __name__ == "__main__":
    _following.PATIENCE, _following.FIRST_PATIENCE = 0.02, 0.05
    for seed in range(1000, 1000 + int(sys.argv[1])):
        asyncio.run(share(seed))
