"""Seconds for 512 MiB through `get_range`, and for 1,000 ranges of 10 KiB, against bare aiohttp.

Loopback only, nginx serves; nothing is kept. The peer asks with the same headers and reads with
the same buffer, and checks nothing.
"""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from kithara_net import HttpClient, Net, RangeSpec, RetryNet
from peers import measure, nginx, report, timed

ROUNDS = 5
SIZE = 512 * 1024 * 1024
PART = 10 * 1024
PARTS = 1000
READ_BUFFER = 128 * 1024

Transfer = Callable[[str], Awaitable[int]]


async def whole(net: Net, url: str) -> int:
    """All bytes of one range, as they come."""
    async with net.get_range(url, RangeSpec(0, SIZE)) as body:
        return sum([len(piece) async for piece in body])


async def parts(net: Net, url: str) -> int:
    """Many small ranges, one after the other."""
    got = 0
    for number in range(PARTS):
        start = number * PART * 7
        async with net.get_range(url, RangeSpec(start, start + PART)) as body:
            got += sum([len(piece) async for piece in body])
    return got


async def bare_range(session: aiohttp.ClientSession, url: str, start: int, stop: int) -> int:
    """One range by aiohttp alone."""
    headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
    async with session.get(url, headers=headers) as response:
        return sum([len(piece) async for piece in response.content.iter_any()])


def bare_session() -> aiohttp.ClientSession:
    """A session as ours, without what ours does."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=30)
    return aiohttp.ClientSession(timeout=timeout, read_bufsize=READ_BUFFER, auto_decompress=False)


async def bare_whole(url: str) -> int:
    """All bytes by aiohttp alone."""
    async with bare_session() as session:
        return await bare_range(session, url, 0, SIZE)


async def bare_parts(url: str) -> int:
    """Many small ranges by aiohttp alone."""
    got = 0
    async with bare_session() as session:
        for number in range(PARTS):
            start = number * PART * 7
            got += await bare_range(session, url, start, start + PART)
    return got


def ours(fetch: Callable[[Net, str], Awaitable[int]], retry: bool) -> Transfer:
    """A transfer by a client of its own, with or without retries around it."""

    async def transfer(url: str) -> int:
        async with HttpClient() as client:
            return await fetch(RetryNet(client) if retry else client, url)

    return transfer


def run(transfer: Transfer, url: str, size: int) -> Callable[[int], float]:
    """One timed transfer that must give `size` bytes."""

    async def checked() -> None:
        if await transfer(url) != size:
            raise SystemExit("bytes are missing")

    return lambda _: timed(lambda: asyncio.run(checked()))


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as folder:
        media = Path(folder)
        with (media / "big.bin").open("wb") as file:
            for _ in range(SIZE // (1 << 20)):
                file.write(os.urandom(1 << 20))
        with nginx(media) as base:
            url = f"{base}/big.bin"
            for title, peers, size in (
                (
                    "512 MiB through get_range",
                    (ours(whole, True), ours(whole, False), bare_whole),
                    SIZE,
                ),
                (
                    "1,000 ranges of 10 KiB",
                    (ours(parts, True), ours(parts, False), bare_parts),
                    PART * PARTS,
                ),
            ):
                names = ("kithara", "kithara, no retries", "aiohttp")
                runs = {name: run(peer, url, size) for name, peer in zip(names, peers, strict=True)}
                report(title, "s", measure(runs, ROUNDS))


if __name__ == "__main__":
    main()
