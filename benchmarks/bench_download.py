"""Seconds to download 512 MiB into the cache, and to read it back, against curl, aria2c and cat.

    python bench_download.py [ROUNDS]

Loopback only, nginx serves. The figures of commands include the start of their process (some
10 ms). CPU seconds are those of the process that downloads, user and system, for each GiB. All
write into an empty folder and memory that was in use a moment ago: pages that a virtual machine has
to get from its host first cost twice the time, whoever writes to them.
"""

import asyncio
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from kithara_assets import asset_store
from kithara_file import FileOptions, FileSession, FileSource
from kithara_net import HttpClient
from peers import measure, nginx, report, timed

ROUNDS = 5
SIZE = 512 * 1024 * 1024
GIB = 1024**3
ARIA2C = ["aria2c", "-q", "-x1", "--file-allocation=none"]


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
    buffer = bytearray(1024 * 1024)
    with session.reader() as reader:
        while reader.readinto(buffer):
            pass


def command(words: list[str], _: int) -> float:
    """Run a command, its output dropped."""
    return timed(lambda: subprocess.run(words, stdout=subprocess.DEVNULL, check=True))


def into_nothing(folder: Path, run: Callable[[int], float]) -> Callable[[int], float]:
    """The same run, with `folder` emptied and as much memory used before as it will need."""

    def emptied(number: int) -> float:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        filler = folder / "filler"
        with filler.open("wb") as file:
            for _ in range(SIZE // (1 << 20)):
                file.write(bytes(1 << 20))
        filler.unlink()
        return run(number)

    return emptied


def cpu_of(usage: resource.struct_rusage) -> float:
    """Seconds of processor time."""
    return usage.ru_utime + usage.ru_stime


class Spent:
    """Adds up the processor time that each peer takes."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[float]] = {}

    def around(self, name: str, who: int, run: Callable[[int], float]) -> Callable[[int], float]:
        """The same run, watched; `who` is this process or its children."""

        def watched(number: int) -> float:
            before = cpu_of(resource.getrusage(who))
            seconds = run(number)
            spent = cpu_of(resource.getrusage(who)) - before
            self._seconds.setdefault(name, []).append(spent)
            return seconds

        return watched

    def report(self) -> None:
        """Print the medians for each GiB."""
        medians = {name: statistics.median(spent) for name, spent in self._seconds.items()}
        per_gib = {name: seconds * GIB / SIZE for name, seconds in medians.items()}
        report("processor time for each GiB of it", "s", per_gib)


def main() -> None:
    """Print both tables."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    spent = Spent()
    with tempfile.TemporaryDirectory() as folder:
        media = Path(folder)
        with (media / "big.bin").open("wb") as file:
            for _ in range(SIZE // (1 << 20)):
                file.write(os.urandom(1 << 20))
        os.sync()  # or the disk would still be busy with it
        out = media / "out"
        with nginx(media) as base:
            url = f"{base}/big.bin"

            def ours(_: int) -> float:
                return timed(lambda: asyncio.run(download(url, out)))

            into_nothing(out, ours)(0)  # the first one pays for imports and memory
            watched = spent.around("kithara", resource.RUSAGE_SELF, ours)
            runs = {"kithara": into_nothing(out, watched)}
            for name, words in (
                ("curl -o", ["curl", "-s", "-o", str(out / "big.bin"), url]),
                ("aria2c -x1", [*ARIA2C, "-d", str(out), url]),
            ):
                if shutil.which(words[0]):
                    run = partial(command, words)
                    watched = spent.around(name, resource.RUSAGE_CHILDREN, run)
                    runs[name] = into_nothing(out, watched)
            report("cold download of 512 MiB", "s", measure(runs, rounds))
            spent.report()
            into_nothing(out, ours)(0)
            runs = {"kithara": lambda _: timed(lambda: asyncio.run(read_back(url, out)))}
            if shutil.which("cat"):
                runs["cat"] = partial(command, ["cat", str(media / "big.bin")])
            report("reading 512 MiB back from the cache", "s", measure(runs, rounds))


if __name__ == "__main__":
    main()
