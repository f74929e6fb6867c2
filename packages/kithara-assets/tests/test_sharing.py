"""Two processes want the same URL at once: one download, and no byte twice when one is killed."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kithara_net.testing import RequestRecord, Resource, ThreadedServer

PROGRAM = Path(__file__).with_name("sharing_worker.py")
CONTENT = random.Random(5).randbytes(1_000_000)
HALF = 500_000
RIGHT = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[ThreadedServer]:
    with ThreadedServer() as server:
        yield server


@pytest.fixture
def song(server: ThreadedServer) -> Resource:
    return server.add("/song.bin", CONTENT, script=[{"stall_after": HALF}])


class Worker:
    """A running process and what it says."""

    def __init__(self, root: Path, server: ThreadedServer) -> None:
        command = [sys.executable, str(PROGRAM), str(root), server.url("/song.bin?token=1")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def hear(self, word: str) -> tuple[str, float]:
        """Wait for its next line, which must begin with `word`; the rest of it, and when."""
        assert self.process.stdout is not None
        said, value, when = self.process.stdout.readline().split()
        assert said == word
        return value, float(when)

    def kill(self) -> None:
        """End it, wherever it is."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def workers(root: Path, server: ThreadedServer) -> Iterator[tuple[Worker, Worker]]:
    """Two processes: one leads and has half of it, the other follows."""
    first = Worker(root, server)
    second = None
    try:
        assert first.hear("leads")[0] == "0"
        server.wait(lambda: [request.sent for request in server.requests] == [HALF])
        second = Worker(root, server)
        second.hear("follows")
        yield first, second
    finally:
        for worker in (first, second):
            if worker is not None:
                worker.close()


def gets(server: ThreadedServer) -> list[RequestRecord]:
    return [request for request in server.requests if request.method == "GET"]


def test_one_download_serves_both(tmp_path: Path, server: ThreadedServer, song: Resource) -> None:
    with workers(tmp_path / "cache", server) as (first, second):
        song.release()
        assert first.hear("read")[0] == RIGHT
        assert second.hear("read")[0] == RIGHT
    assert len(gets(server)) == 1


def test_the_other_takes_over_without_fetching_anything_again(
    tmp_path: Path, server: ThreadedServer, song: Resource
) -> None:
    with workers(tmp_path / "cache", server) as (first, second):
        killed = time.monotonic()
        first.kill()
        there, leads = second.hear("leads")
        assert second.hear("read")[0] == RIGHT
    one, two = gets(server)
    assert leads - killed < 0.2
    assert 0 < int(there) <= HALF
    assert one.sent == HALF
    assert two.byte_range is not None
    assert two.byte_range.start == int(there)
    assert two.sent == len(CONTENT) - int(there)
