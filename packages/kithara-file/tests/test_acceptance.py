"""What servers do, through the whole way: the right bytes, or a typed error; never a mixture."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from kithara_assets import DiskAssetStore, StorageError
from kithara_file import FileError, FileOptions, FileSession, FileSource
from kithara_net import (
    ContentChanged,
    HttpClient,
    NetError,
    NetOptions,
    RangeSpec,
    RetryNet,
    RetryPolicy,
)
from kithara_net.testing import (
    CHANGED_CONTENT,
    FAULT_CONTENT,
    FAULT_SIZE,
    FAULTS,
    Behaviour,
    Resource,
    Server,
)
from kithara_stream import BodyEnded

Open = Callable[..., FileSource]
TYPED = (NetError, FileError, StorageError, BodyEnded)
HALF = FAULT_SIZE // 2
KEPT = HALF + 20_000
VERSIONS = (
    FAULT_CONTENT,
    CHANGED_CONTENT,
    FAULT_CONTENT + b"more",
    CHANGED_CONTENT + b"more",
    CHANGED_CONTENT[:150_000],
    b"short",
)


@pytest.fixture
async def net() -> AsyncIterator[HttpClient]:
    # A slow machine is no silent server: one that has answered nothing yet is asked anew in vain.
    async with HttpClient(NetOptions(stall_timeout=0.3, first_byte_timeout=2.0)) as client:
        yield client


@pytest.fixture
def source(store: DiskAssetStore, net: HttpClient, nothing_left: None) -> Open:
    """Tries again at once, and waits for nobody for long."""
    policy = RetryPolicy(base_delay=0.0, max_retries=4, max_retry_after=0.01)

    def make(url: str, **options: object) -> FileSource:
        chosen = FileOptions(**options)  # type: ignore[arg-type] # each test names real options
        return FileSource(url, store=store, net=RetryNet(net, policy), options=chosen)

    return make


async def read(session: FileSession, size: int = -1, *, at: int = 0) -> bytes:
    with session.reader() as reader:
        if at:
            reader.seek(at)
        return await asyncio.to_thread(reader.read, size)


async def leave_halfway(
    server: Server, source: Open, *, path: str = "/a.mp3", **behaviour: Any
) -> Resource:
    """A file of which a good half is here."""
    resource = server.add(path, FAULT_CONTENT, **behaviour)
    resource.script = [{**resource.behaviour, "stall_after": KEPT}]
    async with source(server.url(path)) as session:
        assert await read(session, KEPT) == FAULT_CONTENT[:KEPT]
    async with source(server.url(path), offline=True) as session:
        assert session.stats.bytes_cached == KEPT
    server.requests.clear()
    return resource


async def download(made: FileSource) -> bytes | Exception:
    try:
        async with asyncio.timeout(15), made as session:
            await session.wait_complete()
            return await read(session)
    except (*TYPED, TimeoutError) as error:
        return error


async def wrong_ones(server: Server, source: Open) -> dict[str, bytes | Exception]:
    """The faults that ended in neither one whole version nor, where nothing helps, an error."""
    for number, fault in enumerate(FAULTS):
        fault.add_to(server, f"/{number}.mp3")
    urls = [server.url(f"/{number}.mp3") for number in range(len(FAULTS))]
    outcomes = await asyncio.gather(*(download(source(url)) for url in urls))
    return {
        fault.name: outcome
        for fault, outcome in zip(FAULTS, outcomes, strict=True)
        if outcome not in VERSIONS and (fault.curable or not isinstance(outcome, TYPED))
    }


async def test_first_downloads(server: Server, source: Open) -> None:
    assert await wrong_ones(server, source) == {}


async def test_second_halves_in_another_run(server: Server, source: Open) -> None:
    await asyncio.gather(
        *(leave_halfway(server, source, path=f"/{n}.mp3") for n in range(len(FAULTS)))
    )
    wrong = await wrong_ones(server, source)
    # Its bytes are shifted from the first one on: nothing that is told or here contradicts that.
    wrong.pop("206 of other bytes than it says", None)
    assert wrong == {}


async def test_a_replaced_file_is_told_and_then_fetched_whole(server: Server, source: Open) -> None:
    """While it is downloaded; the same size, another tag."""
    resource = server.add("/a.mp3", FAULT_CONTENT)
    async with source(server.url("/a.mp3"), look_ahead=10_000) as session:
        assert await read(session, 5000) == FAULT_CONTENT[:5000]
        resource.content = CHANGED_CONTENT
        with pytest.raises(ContentChanged):
            await read(session, 5000, at=HALF)
        assert await read(session, 5000) == FAULT_CONTENT[:5000]
    async with source(server.url("/a.mp3")) as session:
        assert await read(session) == CHANGED_CONTENT


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ({}, 1),  # If-Range
        ({"ignore_if_range": True}, 1),
        ({"etag": ""}, 1),  # 64 KiB are compared
        ({"rotate_etag": True}, 2),  # the body of the first is left when it has another tag
        ({"etag": 'W/"weak"'}, 1),
        ({"etag": "", "last_modified": "Tue, 07 Jan 2025 10:00:00 GMT"}, 1),
    ],
)
async def test_equal_bytes_are_gone_on_with(
    server: Server, source: Open, kind: dict[str, Any], asked: int
) -> None:
    await leave_halfway(server, source, **kind)
    async with source(server.url("/a.mp3")) as session:
        assert await read(session) == FAULT_CONTENT
        await session.wait_complete()
        assert session.stats.bytes_cached == KEPT
        assert session.stats.bytes_received == FAULT_SIZE - KEPT
    assert len(server.requests) == asked


@pytest.mark.parametrize("kind", [{"etag": ""}, {"rotate_etag": True}, {}])
async def test_other_bytes_are_fetched_anew(
    server: Server, source: Open, kind: dict[str, Any]
) -> None:
    resource = await leave_halfway(server, source, **kind)
    resource.content = CHANGED_CONTENT
    async with source(server.url("/a.mp3")) as session:
        assert await read(session) == CHANGED_CONTENT
        assert session.stats.bytes_cached == 0
    assert len(server.requests) <= 3


async def test_a_host_that_ignores_if_range_downloads_nothing_twice(
    server: Server, source: Open
) -> None:
    """It answers 200 although the tag is the same; asked without If-Range it gives the range."""
    await leave_halfway(server, source)
    whole: Behaviour = {"ignore_range": True, "stall_after": 50_000}
    server.add("/a.mp3", FAULT_CONTENT, script=[whole])
    async with source(server.url("/a.mp3")) as session:
        assert await read(session) == FAULT_CONTENT
        assert session.stats.bytes_received == FAULT_SIZE - KEPT
    assert [r.byte_range for r in server.requests] == [RangeSpec(KEPT)] * 2
    assert ["If-Range" in r.headers for r in server.requests] == [True, False]


@pytest.mark.parametrize("changed", [False, True])
async def test_tags_that_rotate_while_somebody_seeks(
    server: Server, source: Open, changed: bool
) -> None:
    """Bytes that are here are fetched once more, and decide."""
    resource = server.add("/a.mp3", FAULT_CONTENT, rotate_etag=True)
    resource.script = [{"rotate_etag": True, "stall_after": 20_000}]
    async with source(server.url("/a.mp3")) as session:
        assert await read(session, 20_000) == FAULT_CONTENT[:20_000]
        if changed:
            resource.content = CHANGED_CONTENT
            with pytest.raises(ContentChanged):
                await read(session, 5000, at=HALF)
        else:
            for at in (HALF, 350_000, 100_000):
                assert await read(session, 5000, at=at) == FAULT_CONTENT[at : at + 5000]


async def test_a_range_that_is_ignored_is_never_written_at_the_offset(
    server: Server, source: Open
) -> None:
    server.add("/a.mp3", FAULT_CONTENT, ignore_range=True)
    async with source(server.url("/a.mp3"), look_ahead=10_000) as session:
        assert await read(session, 5000, at=HALF) == FAULT_CONTENT[HALF : HALF + 5000]
        assert await read(session) == FAULT_CONTENT


@pytest.mark.parametrize("how", ["cut_after", "reset_after", "stall_after"])
async def test_a_body_that_breaks_again_and_again(server: Server, source: Open, how: str) -> None:
    rng = random.Random(8)
    breaks = 20 if how != "stall_after" else 3
    script = [Behaviour(**{how: rng.randrange(1, 20_000)}) for _ in range(breaks)]  # type: ignore[misc] # real ones
    server.add("/a.mp3", FAULT_CONTENT, script=script)
    async with source(server.url("/a.mp3")) as session:
        assert await read(session) == FAULT_CONTENT
        await session.wait_complete()
        assert session.stats.retries >= breaks  # a busy machine may add a stall


async def test_a_file_that_shrank_is_another_one(server: Server, source: Open) -> None:
    await leave_halfway(server, source)
    server.add("/a.mp3", FAULT_CONTENT[: HALF // 2])
    async with source(server.url("/a.mp3")) as session:
        assert await read(session) == FAULT_CONTENT[: HALF // 2]


@pytest.mark.parametrize("etag", ["auto", ""])
async def test_all_was_here_but_nobody_knew(server: Server, source: Open, etag: str) -> None:
    """Chunked, so of unknown length, and left before the end was seen; 416 would say no more."""
    server.add("/a.mp3", FAULT_CONTENT, etag=etag, chunked=True, stall_after=FAULT_SIZE)
    async with source(server.url("/a.mp3")) as session:
        assert await asyncio.to_thread(session.source().wait_range, 0, FAULT_SIZE) == "ready"
    server.requests.clear()
    server.add("/a.mp3", FAULT_CONTENT, etag=etag)
    async with source(server.url("/a.mp3")) as session:
        assert await read(session) == FAULT_CONTENT
        await session.wait_complete()
        assert session.stats.bytes_received == 0
    assert sum(request.sent for request in server.requests) <= 64 * 1024
    async with source(server.url("/a.mp3"), offline=True) as session:
        assert await read(session) == FAULT_CONTENT
