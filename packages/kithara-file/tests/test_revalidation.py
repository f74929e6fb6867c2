import asyncio
from collections.abc import Callable

import pytest

from kithara_assets import DiskAssetStore
from kithara_file import (
    Changed,
    Complete,
    FileEvent,
    FileSession,
    FileSource,
    MediaKnown,
    _revalidation,
)
from kithara_net import RangeSpec
from kithara_net.testing import Resource, Server

Make = Callable[..., FileSource]
STALE = {"Cache-Control": "max-age=0"}
FRESH = {"Cache-Control": "max-age=1000"}


async def read_all(session: FileSession) -> bytes:
    with session.reader() as reader:
        return await asyncio.to_thread(reader.read)


async def fetched(server: Server, source: Make, song: bytes, **behaviour: object) -> Resource:
    """A file that is in the cache, and no request for it so far."""
    resource = server.add("/a.mp3", song, **behaviour)  # type: ignore[arg-type] # each test names real ones
    async with source(server.url("/a.mp3")) as session:
        await session.wait_complete()
    server.requests.clear()
    return resource


def told(session: FileSession) -> list[FileEvent]:
    """All that there is to tell of a file that is here."""
    info, length = session.media_info, session.length or 0
    return [MediaKnown(media_info=info, length=length), Complete(length=length, media_info=info)]


@pytest.mark.parametrize(
    ("policy", "headers", "asked"),
    [
        ("never", STALE, 0),
        ("if-stale", STALE, 1),
        ("if-stale", FRESH, 0),
        ("if-stale", {}, 0),
        ("always", FRESH, 1),
    ],
)
async def test_the_policy_says_when_to_ask(
    server: Server, source: Make, song: bytes, policy: str, headers: dict[str, str], asked: int
) -> None:
    await fetched(server, source, song, headers=headers)
    async with source(server.url("/a.mp3"), revalidate=policy) as session:
        assert await read_all(session) == song
        assert session.stats.bytes_received == 0
    last = RangeSpec(len(song) - 1, len(song))
    assert [request.byte_range for request in server.requests] == [last] * asked
    assert all("If-Range" in request.headers for request in server.requests)


async def test_offline_asks_nobody(server: Server, source: Make, song: bytes) -> None:
    await fetched(server, source, song, headers=STALE)
    async with source(server.url("/a.mp3"), revalidate="always", offline=True) as session:
        assert await read_all(session) == song
    assert server.requests == []


async def test_what_was_asked_is_remembered(server: Server, source: Make, song: bytes) -> None:
    resource = await fetched(server, source, song, headers=STALE)
    resource.behaviour = {"headers": FRESH}
    for _ in range(3):
        async with source(server.url("/a.mp3")) as session:
            assert await read_all(session) == song
    assert len(server.requests) == 1


@pytest.mark.parametrize("etag", ["auto", ""])
async def test_a_new_version_takes_the_place_of_the_old_one(
    server: Server, source: Make, song: bytes, etag: str
) -> None:
    resource = await fetched(server, source, song, headers=STALE, etag=etag)
    resource.content = new = bytes(len(song))
    async with source(server.url("/a.mp3")) as session:
        assert await read_all(session) == new
        changed = await anext(session.events())
    assert isinstance(changed, Changed)
    assert changed.reading == "new"
    assert changed.error.total_before == len(song)
    resource.behaviour = {"headers": FRESH}


async def test_who_reads_the_old_version_may_end(server: Server, source: Make, song: bytes) -> None:
    resource = await fetched(server, source, song, headers=STALE)
    async with source(server.url("/a.mp3"), revalidate="never") as reading:
        resource.content = new = bytes(len(song))
        async with source(server.url("/a.mp3")) as session:
            assert await read_all(session) == song
            events = session.events()
            changed, _, complete = [await anext(events) for _ in range(3)]
        assert isinstance(changed, Changed)
        assert changed.reading == "old"
        assert isinstance(complete, Complete)
        assert await read_all(reading) == song
    async with source(server.url("/a.mp3")) as session:
        assert await read_all(session) == new


async def test_what_the_user_pinned_stays(
    server: Server, store: DiskAssetStore, source: Make, song: bytes
) -> None:
    resource = await fetched(server, source, song, headers=STALE)
    store.pin(source(server.url("/a.mp3")).key.asset_root)
    resource.content = bytes(len(song))
    async with source(server.url("/a.mp3")) as session:
        assert await read_all(session) == song
        assert isinstance(await anext(session.events()), Changed)


@pytest.mark.parametrize("trouble", [{"status": 503}, {"stall_head": True}, {"cut_after": 0}])
async def test_where_nobody_answers_the_cache_is_used(
    server: Server,
    source: Make,
    song: bytes,
    trouble: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_revalidation, "SECONDS", 0.2)
    resource = await fetched(server, source, song, headers=STALE)
    resource.behaviour = trouble  # type: ignore[assignment] # real ones
    async with source(server.url("/a.mp3")) as session:
        assert await read_all(session) == song
        assert [await anext(events) for events in [session.events()] * 2] == told(session)


async def test_a_server_whose_tags_rotate_has_the_same_file(
    server: Server, source: Make, song: bytes
) -> None:
    await fetched(server, source, song, headers=STALE, rotate_etag=True)
    async with source(server.url("/a.mp3")) as session:
        assert await read_all(session) == song
        assert [await anext(events) for events in [session.events()] * 2] == told(session)
