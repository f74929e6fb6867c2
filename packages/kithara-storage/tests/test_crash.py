"""The process dies, or the power fails, at every call that changes something on the disk."""

from __future__ import annotations

import asyncio
import itertools
import random
from pathlib import Path

import pytest

from kithara_storage import (
    DiskWriter,
    Durability,
    ResourceStatus,
    StorageError,
    StreamingResource,
)
from kithara_storage.testing import SimFs

PATH = Path("/cache/song.mp3")
CONTENTS = {
    "one": random.Random(1).randbytes(96),
    "two": random.Random(2).randbytes(96),
}
PIECE = 16
DURABILITIES = [Durability.DATA, Durability.NONE, Durability.FULL]


def check(resource: StreamingResource) -> str | None:
    """Every byte that is there is one of the version that the resource names."""
    version = None if resource.identity is None else resource.identity["etag"]
    at = 0
    while at < 96:
        data = resource.read_at(at, 96)
        if data:
            assert version is not None
            assert data == CONTENTS[version][at : at + len(data)], (version, at)
        at += max(1, len(data))
    return version


async def fetch(
    fs: SimFs,
    version: str,
    *,
    durability: Durability = Durability.DATA,
    pieces: int = 6,
    barriers: bool = True,
) -> int:
    """Get a version as a source does: resume, or begin anew. How many bytes had to be written."""
    content, written = CONTENTS[version], 0
    with DiskWriter() as writer:
        resource = StreamingResource.open(PATH, writer, resume=True, fs=fs, durability=durability)
        with resource:
            found = check(resource)
            if resource.status is ResourceStatus.COMPLETE:
                return 0
            if found == version:
                resource.confirm()
            else:
                resource.restart({"etag": version})
            resource.set_length(96)
            for number in (5, 0, 3, 1, 2, 4)[:pieces]:
                at = number * PIECE
                if resource.available(at) < PIECE:
                    await resource.write_at(at, content[at : at + PIECE])
                    await resource.flush()
                    written += PIECE
                if barriers and number % 2:
                    await resource.barrier()
            if pieces == 6:
                await resource.commit(96)
            assert check(resource) == version
    return written


def test_it_goes_on_where_it_was_left() -> None:
    fs = SimFs()
    asyncio.run(fetch(fs, "one", pieces=4))
    assert sorted(Path(name).suffix for name in fs._names) == [".map", ".part"]
    assert asyncio.run(fetch(fs, "one")) == 2 * PIECE
    assert fs.content(PATH) == CONTENTS["one"]
    assert sorted(Path(name).suffix for name in fs._names) == [".meta", ".mp3"]
    assert asyncio.run(fetch(fs, "one")) == 0


def test_another_version_begins_anew() -> None:
    fs = SimFs()
    asyncio.run(fetch(fs, "one", pieces=5))
    assert asyncio.run(fetch(fs, "two")) == 96
    assert fs.content(PATH) == CONTENTS["two"]


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("before", ["nothing", "same", "other", "removed", "removed whole"])
def test_a_stop_at_every_change(durability: Durability, before: str) -> None:
    """Kill and power cut after each; then nothing wrong is offered, and the rest is fetched."""
    dice = random.Random(before + durability.value)
    start = SimFs()
    if before != "nothing":
        version = "one" if before == "same" else "two"
        pieces = 6 if before.startswith("removed") else 4
        asyncio.run(fetch(start, version, durability=durability, pieces=pieces))
        if pieces == 6:
            start.fsync_dir(PATH.parent)
            start.unlink(PATH)  # its record stays behind, or may come back
            start.fsync_dir(PATH.parent)
            if before == "removed whole":
                start.unlink(PATH.with_name("song.mp3.meta"))
    for count in itertools.count():
        fs = start.after_kill()
        fs.freeze_after(count)
        try:
            asyncio.run(fetch(fs, "one", durability=durability))
            complete = True
        except StorageError:
            complete = False
        after = [fs.after_kill()]
        after += [fs.after_power_cut(lambda n: dice.randrange(n)) for _ in range(4)]
        for number, disk in enumerate(after):
            written = asyncio.run(fetch(disk, "one", durability=durability))
            assert disk.content(PATH) == CONTENTS["one"]
            if complete and (number == 0 or durability is not Durability.NONE):
                assert written == 0  # what was committed stays
        if complete:
            break
    assert count > 10


def test_what_came_before_a_barrier_survives_a_power_cut() -> None:
    fs = SimFs()
    asyncio.run(fetch(fs, "one", pieces=3))  # the last barrier came with the last piece
    dice = random.Random(0)
    for disk in [fs.after_power_cut(lambda n: dice.randrange(n)) for _ in range(30)]:
        assert asyncio.run(fetch(disk, "one")) == 3 * PIECE


def test_after_a_kill_everything_published_is_there() -> None:
    fs = SimFs()

    async def run() -> None:
        with DiskWriter() as writer:
            resource = StreamingResource.open(PATH, writer, resume=True, fs=fs)
            resource.restart({"etag": "one"})
            await resource.write_at(8, CONTENTS["one"][8:40])
            await resource.wait_range_async(8, 40)
            disk = fs.after_kill()
            resource.close()
        with (
            DiskWriter() as writer,
            StreamingResource.open(PATH, writer, resume=True, fs=disk) as again,
        ):
            assert again.read_at(8, 96) == CONTENTS["one"][8:40]
            assert again.next_hole(0, 96) == (0, 8)

    asyncio.run(run())


def test_a_power_cut_may_leave_less_than_the_journal_says() -> None:
    """What no barrier vouches for is believed by its checksum, and only by that."""
    fs = SimFs()
    asyncio.run(fetch(fs, "one", pieces=6, barriers=False, durability=Durability.NONE))
    dice = random.Random(3)
    kept = set()
    for _ in range(60):
        disk = fs.after_power_cut(lambda n: dice.randrange(n))
        kept.add(asyncio.run(fetch(disk, "one")))
    assert len(kept) > 1


def test_every_state_after_a_cut_in_the_middle() -> None:
    fs = SimFs()

    async def run() -> None:
        with DiskWriter() as writer:
            resource = StreamingResource.open(PATH, writer, resume=True, fs=fs)
            resource.restart({"etag": "one"})
            for at in (0, 32, 16):
                await resource.write_at(at, CONTENTS["one"][at : at + 16])
                await resource.flush()
            resource.close()
            states = 0
            for disk in fs.power_cuts(2000):
                states += 1
                with StreamingResource.open(PATH, writer, resume=True, fs=disk) as found:
                    check(found)
            assert states > 1000

    asyncio.run(run())
