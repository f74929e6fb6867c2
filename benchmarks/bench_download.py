"""Seconds to download 256 MiB into the cache, and to read it back, against curl and cat.

Loopback only, nginx serves. curl's figure includes the start of its process (some 10 ms).
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from kithara_assets import asset_store
from kithara_file import FileOptions, FileSession, FileSource
from kithara_net import HttpClient
from peers import measure, nginx, report, timed

ROUNDS = 5
SIZE = 256 * 1024 * 1024


async def download(url: str, cache: Path) -> None:
    """Fetch the whole file, as `kithara fetch` does."""
    async with HttpClient() as net:
        with asset_store(cache) as store:
            options = FileOptions(whole=True)
            async with FileSource(url, store=store, net=net, options=options) as session:
                await session.wait_complete()


async def read_back(url: str, cache: Path) -> None:
    """Read the complete file through a reader."""
    async with HttpClient() as net:
        with asset_store(cache) as store:
            async with FileSource(url, store=store, net=net) as session:
                await asyncio.to_thread(drain, session)


def drain(session: FileSession) -> None:
    """Read to the end in pieces of 64 KiB."""
    buffer = bytearray(64 * 1024)
    with session.reader() as reader:
        while reader.readinto(buffer):
            pass


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as folder:
        media = Path(folder)
        with (media / "big.bin").open("wb") as file:
            for _ in range(SIZE // (1 << 20)):
                file.write(os.urandom(1 << 20))
        with nginx(media) as base:
            url = f"{base}/big.bin"
            runs: dict[str, Callable[[int], float]] = {
                "kithara": lambda n: timed(lambda: asyncio.run(download(url, media / f"cache{n}")))
            }
            if shutil.which("curl"):
                words = ["curl", "-s", "-o", str(media / "curl.bin"), url]
                runs["curl -o"] = lambda _: timed(lambda: subprocess.run(words, check=True))
            report("cold download of 256 MiB", "s", measure(runs, ROUNDS))
            runs = {
                "kithara": lambda _: timed(lambda: asyncio.run(read_back(url, media / "cache0")))
            }
            if shutil.which("cat"):
                path = str(media / "big.bin")
                runs["cat"] = lambda _: timed(
                    lambda: subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)
                )
            report("reading 256 MiB back from the cache", "s", measure(runs, ROUNDS))


if __name__ == "__main__":
    main()
