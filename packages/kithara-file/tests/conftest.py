import asyncio
import gc
import os
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kithara_assets import DiskAssetStore, asset_store
from kithara_file import FileOptions, FileSource
from kithara_net import HttpClient
from kithara_net.testing import Server


@pytest.fixture(scope="session", autouse=True)
def modules_frozen() -> Iterator[None]:
    """What was imported is no garbage: each test collects its own only, and soon."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def song() -> bytes:
    """600 kB that begin like an MP3 with an ID3 tag and repeat nowhere."""
    return b"ID3\x04" + random.Random(1).randbytes(600_000)


@pytest.fixture(scope="session")
def long_song() -> bytes:
    """4 MB: the most that is read through rather than asked for is 1 MiB."""
    return b"ID3\x04" + random.Random(2).randbytes(4_000_000)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


@pytest.fixture
async def net() -> AsyncIterator[HttpClient]:
    async with HttpClient() as client:
        yield client


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskAssetStore]:
    with asset_store(tmp_path / "cache") as opened:
        yield opened


@pytest.fixture
async def nothing_left(
    server: Server,
    net: HttpClient,
    store: DiskAssetStore,
    caplog: pytest.LogCaptureFixture,
) -> AsyncIterator[None]:
    """No task, thread, connection, descriptor or half of a file outlives the sessions of a test."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    yield
    left = asyncio.all_tasks() - tasks - {asyncio.current_task()}
    # The server's own tasks end when it has seen its clients go.
    left = {task for task in left if "Connection" not in repr(task) and "_serve" not in repr(task)}
    assert left == set()
    pool = ("asyncio_", "kithara-atomic")  # the loop's, and the store's
    assert [t for t in set(threading.enumerate()) - threads if not t.name.startswith(pool)] == []
    store.close()  # its thread lets go of what it was writing just now
    # Only what can be resumed is left: bytes with the journal that vouches for them.
    parts = {path.with_suffix("") for path in store.root.rglob("*.part")}
    assert parts == {path.with_suffix("") for path in store.root.rglob("*.map")}
    assert open_files_below(store.root) == []
    await net.aclose()
    await server.wait_for(lambda: server.connections == 0)
    gc.collect()
    assert [text for text in map(str, caplog.messages) if text.startswith("Task")] == []


def open_files_below(folder: Path) -> list[str]:
    """The descriptors of this process that are files of a cache (where the system can tell)."""
    found = []
    for fd in Path("/proc/self/fd").glob("*"):
        with suppress(FileNotFoundError):
            found.append(os.readlink(fd))
    return [target for target in found if target.startswith(os.fspath(folder))]


@pytest.fixture
def source(store: DiskAssetStore, net: HttpClient, nothing_left: None) -> Callable[..., FileSource]:
    def make(url: str, **options: object) -> FileSource:
        return FileSource(url, store=store, net=net, options=FileOptions(**options))  # type: ignore[arg-type] # each test names real options

    return make
