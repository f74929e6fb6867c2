"""A download and its commit, in a process that may be killed at any moment.

`python kill_target.py PATH SIZE [BOOT]` goes on where an earlier run was left, writes what is
missing, commits, and says what it had to write. Every byte that it finds is checked. On the way
it says how many bytes of the whole were accepted, and how many a barrier made safe.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from kithara_storage import DiskWriter, FsOps, ResourceStatus, StreamingResource

PIECE = 4096
BATCH = 16 * PIECE


class Boot(FsOps):
    """As if the system had been started so many times."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def boot_id(self) -> bytes:
        return self._number.to_bytes(16, "little")


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def say(word: str, count: int) -> None:
    """Tell the test."""
    sys.stdout.write(f"{word} {count}\n")
    sys.stdout.flush()


def covered(resource: StreamingResource, size: int) -> int:
    """How many bytes are there."""
    missing, at = 0, 0
    while (hole := resource.next_hole(at, size)) is not None:
        missing += hole[1] - hole[0]
        at = hole[1]
    return size - missing


async def download(path: Path, size: int, boot: int) -> int:
    data = content(size)
    written = 0
    with DiskWriter(max_pending_bytes=BATCH) as writer:
        resource = StreamingResource.open(path, writer, resume=True, fs=Boot(boot))
        with resource:
            if not await resource.lead():
                assert resource.read_at(0, size) == data
                return 0
            at = 0
            while at < size:
                found = resource.read_at(at, size)
                assert found == data[at : at + len(found)], at
                at += len(found)
                hole = resource.next_hole(at, size)
                at = size if hole is None else max(at, hole[1] if hole[0] == at else at)
            if resource.identity == {"size": str(size)}:
                resource.confirm()
            else:
                assert resource.next_hole(0, size) == (0, size)
                resource.restart({"size": str(size)})
            resource.set_length(size)
            there = covered(resource, size)
            say("started", there)
            pieces = list(range(0, size, PIECE))
            for number, at in enumerate(sorted(pieces, key=lambda at: at % (5 * PIECE))):
                hole = resource.next_hole(at, at + PIECE)
                if hole is not None:
                    await resource.write_at(hole[0], data[hole[0] : hole[1]])
                    written += hole[1] - hole[0]
                    say("accepted", there + written)
                if number % 8 == 7:
                    await resource.barrier()
                    say("safe", there + written)
            await resource.flush()
            if resource.status is ResourceStatus.PARTIAL:
                await resource.commit(size)
            assert resource.read_at(0, size) == data
    return written


if __name__ == "__main__":
    boot = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    total = asyncio.run(download(Path(sys.argv[1]), int(sys.argv[2]), boot))
    say("written", total)
