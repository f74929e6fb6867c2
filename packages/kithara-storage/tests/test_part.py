from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kithara_storage import DiskWriter, FsOps, ResourceStatus, StorageFailed, StreamingResource
from kithara_storage._fs import LockOutcome

if TYPE_CHECKING:
    from _typeshed import StrPath

HOLDER = """
import asyncio, sys
from kithara_storage import DiskWriter, StreamingResource

async def main(path):
    with DiskWriter() as writer:
        resource = StreamingResource.open(path, writer)
        await resource.write_at(0, b"theirs")
        await resource.flush()
        print("holding", flush=True)
        if sys.stdin.readline() == "commit\\n":
            await resource.commit(6)
            print("committed", flush=True)
            sys.stdin.readline()
        resource.close()

asyncio.run(main(sys.argv[1]))
"""


class Holder:
    """Another process that holds the same path."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self.read() == "holding"

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")

    def end(self) -> None:
        self.process.communicate("\n", timeout=30)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)


async def write(resource: StreamingResource, data: bytes) -> None:
    await resource.write_at(0, data)
    await resource.commit(len(data))


def parts(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.endswith(".part"))


async def test_two_writers_in_one_process(tmp_path: Path, writer: DiskWriter) -> None:
    first, second, third = (StreamingResource.open(tmp_path / "a", writer) for _ in range(3))
    assert len(parts(tmp_path)) == 3
    await second.write_at(0, b"second")
    await first.write_at(0, b"first")
    await second.commit(6)
    assert (tmp_path / "a").read_bytes() == b"second"
    await first.commit(5)  # too late: its file goes, its bytes stay for its readers
    assert (tmp_path / "a").read_bytes() == b"second"
    assert first.status is ResourceStatus.COMPLETE
    assert first.read_at(0, 9) == b"first"
    assert second.read_at(0, 9) == b"second"
    third.close()
    assert os.listdir(tmp_path) == ["a"]
    first.close()
    second.close()


async def test_two_processes_and_the_other_commits_first(
    tmp_path: Path, writer: DiskWriter
) -> None:
    holder = Holder(tmp_path / "a")
    with StreamingResource.open(tmp_path / "a", writer) as ours:
        assert ours.available(0) == 0
        assert len(parts(tmp_path)) == 2
        holder.say("commit")
        assert holder.read() == "committed"
        await write(ours, b"ours")
        assert (tmp_path / "a").read_bytes() == b"theirs"
    holder.end()
    assert os.listdir(tmp_path) == ["a"]


async def test_two_processes_and_we_commit_first(tmp_path: Path, writer: DiskWriter) -> None:
    holder = Holder(tmp_path / "a")
    with StreamingResource.open(tmp_path / "a", writer) as ours:
        await write(ours, b"ours")
    holder.say("commit")
    assert holder.read() == "committed"
    holder.end()
    assert (tmp_path / "a").read_bytes() == b"ours"
    assert os.listdir(tmp_path) == ["a"]


async def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    holders = [Holder(tmp_path / "a"), Holder(tmp_path / "a"), Holder(tmp_path / "b")]
    living = Holder(tmp_path / "c")
    for holder in holders:
        holder.kill()
    assert len(parts(tmp_path)) == 4
    with DiskWriter() as writer, StreamingResource.open(tmp_path / "a", writer) as ours:
        assert [name[:2] for name in parts(tmp_path)] == ["a.", "c."]
        assert ours.available(0) == 0
        await write(ours, b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    living.end()


async def test_leftovers_that_appear_later_never_count(tmp_path: Path, writer: DiskWriter) -> None:
    StreamingResource.open(tmp_path / "b", writer).close()  # the folder was swept
    (tmp_path / "a.part").write_bytes(b"half of something")
    with StreamingResource.open(tmp_path / "a", writer, resume=True) as ours:
        assert ours.available(0) == 0
        assert ours.identity is None
        ours.restart()
        await write(ours, b"short")
    assert (tmp_path / "a").read_bytes() == b"short"


def test_a_part_that_is_unlinked_under_its_opener(tmp_path: Path, writer: DiskWriter) -> None:
    """Somebody sweeps between our open and our lock: we notice and start over."""

    class SweptFs(FsOps):
        sweeps = 1

        def flock(self, fd: int) -> LockOutcome:
            if self.sweeps:
                self.sweeps -= 1
                os.unlink(tmp_path / "a.part")
            return super().flock(fd)

    with StreamingResource.open(tmp_path / "a", writer, resume=True, fs=SweptFs()):
        assert parts(tmp_path) == ["a.part"]


async def test_a_file_system_without_locks_gives_everybody_a_private_file(
    tmp_path: Path, writer: DiskWriter
) -> None:
    class NoLocksFs(FsOps):
        def flock(self, fd: int) -> LockOutcome:
            return "unsupported"

    resources = [StreamingResource.open(tmp_path / "a", writer, fs=NoLocksFs()) for _ in range(3)]
    for n, resource in enumerate(resources):
        await write(resource, b"%d" % n)
        resource.close()
    assert (tmp_path / "a").read_bytes() == b"0"


async def test_a_commit_between_the_two_looks_of_an_open(
    tmp_path: Path, writer: DiskWriter
) -> None:
    class LateFs(FsOps):
        looked = False

        def open(self, path: StrPath, flags: int, mode: int = 0o600) -> int:
            try:
                return super().open(path, flags, mode)
            finally:
                if os.path.basename(path) == "a" and not self.looked:
                    self.looked = True
                    Path(path).write_bytes(b"theirs")

    with StreamingResource.open(tmp_path / "a", writer, fs=LateFs()) as resource:
        assert resource.status is ResourceStatus.COMPLETE
        assert resource.read_at(0, 9) == b"theirs"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("planted", ["a", "a.part"])
def test_a_planted_link_is_refused_and_its_target_untouched(
    tmp_path: Path, writer: DiskWriter, planted: str
) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    (folder / planted).symlink_to(target)
    with pytest.raises(StorageFailed, match="a: open failed"):
        StreamingResource.open(folder / "a", writer, resume=True)
    assert target.read_bytes() == b"precious"


def test_what_is_no_plain_file_is_refused(tmp_path: Path, writer: DiskWriter) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    for name in ("folder", "fifo"):
        with pytest.raises(StorageFailed):
            StreamingResource.open(tmp_path / name, writer)
    with pytest.raises(StorageFailed):
        StreamingResource.open(tmp_path / "missing" / "a", writer)


def test_the_lock_is_the_kernels_own(tmp_path: Path, writer: DiskWriter) -> None:
    with (
        StreamingResource.open(tmp_path / "a", writer, resume=True),
        (tmp_path / "a.part").open("rb") as other,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_many_threads_open_and_close_one_path(tmp_path: Path) -> None:
    barrier = threading.Barrier(6)

    def opens() -> None:
        with DiskWriter() as writer:
            for _ in range(50):
                barrier.wait(30)
                with StreamingResource.open(tmp_path / "a", writer) as resource:
                    assert resource.path.with_name(parts(tmp_path)[0]).name.startswith("a.")

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(opens) for _ in range(6)]:
            done.result(50)
    with DiskWriter() as writer:
        StreamingResource.open(tmp_path / "a", writer).close()
    assert os.listdir(tmp_path) == []
