"""A second handle or process follows the first, and takes over when it is gone."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kithara_storage import (
    DiskWriter,
    GenerationReplaced,
    NotWritable,
    ResourceClosed,
    ResourceStatus,
    StreamingResource,
)
from kithara_storage.testing import SimFs

LEADER = """
import asyncio, sys
from kithara_storage import DiskWriter, StreamingResource

async def main(path):
    with DiskWriter() as writer:
        resource = StreamingResource.open(path, writer, resume=True)
        resource.restart({"etag": "theirs"})
        await resource.write_at(0, b"theirs")
        await resource.flush()
        print("leading", flush=True)
        for word in sys.stdin:
            if word == "write\\n":
                await resource.write_at(resource.available(0), b"more")
            if word == "commit\\n":
                await resource.commit(resource.available(0))
            if word == "restart\\n":
                resource.restart({"etag": "other"})
                await resource.write_at(0, b"other")
            if word == "end\\n":
                break
            await resource.flush()
            print("done", flush=True)
        resource.close()

asyncio.run(main(sys.argv[1]))
"""


class Leader:
    """Another process that leads."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LEADER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self._read() == "leading"

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        if word != "end":
            assert self._read() == "done"

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=30)


@pytest.fixture
def leader(tmp_path: Path) -> Iterator[Leader]:
    leader = Leader(tmp_path / "a")
    yield leader
    leader.kill()


@pytest.fixture
def follower(tmp_path: Path, leader: Leader, writer: DiskWriter) -> Iterator[StreamingResource]:
    with StreamingResource.open(tmp_path / "a", writer, resume=True) as follower:
        assert follower.following
        yield follower


async def test_another_process_is_read_as_it_writes(
    leader: Leader, follower: StreamingResource
) -> None:
    assert await follower.wait_range_async(0, 6, 30) == "ready"
    assert follower.read_at(0, 99) == b"theirs"
    assert follower.identity == {"etag": "theirs"}
    with ThreadPoolExecutor(1) as pool:
        wait = pool.submit(follower.wait_range, 0, 10, 30)
        leader.say("write")
        assert wait.result(30) == "ready"
    assert follower.read_at(0, 99) == b"theirsmore"
    assert not follower.confirmed
    for refused in (follower.write_at(10, b"x"), follower.commit(10)):
        with pytest.raises(NotWritable, match="another writer") as caught:
            await refused
        assert caught.value.reason == "followed"
    for use in (follower.confirm, follower.restart):
        with pytest.raises(NotWritable):
            use()


async def test_it_is_complete_when_the_other_commits(
    leader: Leader, follower: StreamingResource, tmp_path: Path
) -> None:
    waits = [
        asyncio.create_task(wait) for wait in (follower.lead(), follower.wait_range_async(6, 7, 30))
    ]
    await asyncio.sleep(0)
    leader.say("commit")
    assert await waits[0] is False
    assert await waits[1] == "eof"
    assert follower.status is ResourceStatus.COMPLETE
    assert follower.length == 6
    assert (tmp_path / "a").read_bytes() == follower.read_at(0, 9) == b"theirs"


@pytest.mark.parametrize("how", ["killed", "closed"])
async def test_it_takes_over_when_the_other_is_gone(
    leader: Leader, follower: StreamingResource, how: str
) -> None:
    lead = asyncio.create_task(follower.lead())
    await follower.wait_range_async(0, 6, 30)
    assert not lead.done()
    if how == "killed":
        leader.kill()
    else:
        leader.say("end")
    started = time.perf_counter()
    assert await asyncio.wait_for(lead, 30) is True
    if how == "killed":
        assert time.perf_counter() - started < 5  # 50 ms and the writer's own wake-up
    assert not follower.following
    with pytest.raises(NotWritable, match="not confirmed"):
        await follower.write_at(6, b"x")
    assert follower.identity == {"etag": "theirs"}
    follower.confirm()
    await follower.write_at(6, b"ours")
    await follower.commit(10)
    assert follower.read_at(0, 99) == b"theirsours"


async def test_it_ends_when_the_other_begins_anew(
    leader: Leader, follower: StreamingResource, tmp_path: Path, writer: DiskWriter
) -> None:
    await follower.wait_range_async(0, 6, 30)
    wait = asyncio.create_task(follower.wait_range_async(0, 99, 30))
    await asyncio.sleep(0)
    leader.say("restart")
    with pytest.raises(GenerationReplaced) as caught:
        await wait
    assert caught.value.recoverable
    assert follower.read_at(0, 99) == b"theirs"  # never a byte of the other generation
    with pytest.raises(GenerationReplaced):
        await follower.lead()
    with StreamingResource.open(tmp_path / "a", writer, resume=True) as again:
        await again.wait_range_async(0, 5, 30)
        assert again.read_at(0, 99) == b"other"


async def test_many_follow_and_one_takes_over(tmp_path: Path, writer: DiskWriter) -> None:
    leader, *others = (
        StreamingResource.open(tmp_path / "a", writer, resume=True) for _ in range(6)
    )
    assert await leader.lead()
    leader.restart({"etag": "1"})
    await leader.write_at(0, b"abc")
    await asyncio.gather(*(other.wait_range_async(0, 3, 30) for other in others))
    tasks = {asyncio.create_task(other.lead()): other for other in others}
    await asyncio.sleep(0)
    leader.close()
    done, waiting = await asyncio.wait(tasks, timeout=30, return_when="FIRST_COMPLETED")
    assert len(done) == 1
    next_leader = tasks[done.pop()]
    next_leader.confirm()
    await next_leader.write_at(3, b"def")
    await next_leader.commit(6)
    assert await asyncio.gather(*waiting) == [False] * 4
    for other in others:
        assert other.read_at(0, 9) == b"abcdef"
        other.close()
    assert sorted(os.listdir(tmp_path)) == ["a", "a.meta"]


async def test_a_leader_that_never_wrote_leaves_nothing_and_is_followed_up(
    tmp_path: Path, writer: DiskWriter
) -> None:
    leader = StreamingResource.open(tmp_path / "a", writer, resume=True)
    follower = StreamingResource.open(tmp_path / "a", writer, resume=True)
    lead = asyncio.create_task(follower.lead())
    await asyncio.sleep(0)
    leader.close()
    assert await asyncio.wait_for(lead, 30)
    follower.restart()
    await follower.write_at(0, b"x")
    await follower.commit(1)
    follower.close()
    assert (tmp_path / "a").read_bytes() == b"x"


async def test_a_restart_before_the_first_byte_disturbs_nobody(
    tmp_path: Path, writer: DiskWriter
) -> None:
    leader = StreamingResource.open(tmp_path / "a", writer, resume=True)
    with leader, StreamingResource.open(tmp_path / "a", writer, resume=True) as follower:
        leader.restart({"etag": "1"})
        await leader.write_at(0, b"x")
        assert await follower.wait_range_async(0, 1, 30) == "ready"


async def test_what_was_accepted_before_a_close_is_kept(tmp_path: Path) -> None:
    with DiskWriter() as writer:
        resource = StreamingResource.open(tmp_path / "a", writer, resume=True)
        resource.confirm({"etag": "1"})
        for at in range(100):
            await resource.write_at(at, b"x")
        resource.close()
        with StreamingResource.open(tmp_path / "a", writer, resume=True) as again:
            assert await asyncio.wait_for(again.lead(), 30)
            assert again.read_at(0, 200) == b"x" * 100


async def test_closing_and_cancelling_a_wait_for_the_lead(
    tmp_path: Path, writer: DiskWriter
) -> None:
    with (
        StreamingResource.open(tmp_path / "a", writer, resume=True),
        StreamingResource.open(tmp_path / "a", writer, resume=True) as follower,
    ):
        cancelled, closed = (asyncio.create_task(follower.lead()) for _ in range(2))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        follower.close()
        with pytest.raises(ResourceClosed):
            await closed


async def test_a_leader_whose_sync_failed_takes_its_followers_with_it() -> None:
    fs = SimFs()
    path = Path("/cache/a")
    with DiskWriter() as writer:
        leader, follower = (
            StreamingResource.open(path, writer, resume=True, fs=fs) for _ in range(2)
        )
        leader.confirm()
        await leader.write_at(0, b"abc")
        await follower.wait_range_async(0, 3, 30)
        wait = asyncio.create_task(follower.wait_range_async(0, 9, 30))
        await asyncio.sleep(0)
        fs.fail_next("fdatasync")
        with pytest.raises(Exception, match="sync failed"):
            await leader.barrier()
        with pytest.raises(GenerationReplaced):
            await wait
        assert leader.read_at(0, 9) == follower.read_at(0, 9) == b""
        leader.close()
        follower.close()
        with StreamingResource.open(path, writer, resume=True, fs=fs) as again:
            assert again.available(0) == 0
