"""Several sessions, in one process or in two, share one download."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kithara_assets import DiskAssetStore, MemoryAssetStore
from kithara_file import Complete, FileSession, FileSource, _following
from kithara_file._following import Following, copy
from kithara_file._place import Place
from kithara_net import ContentChanged, HttpClient, RangeSpec
from kithara_net.testing import Resource, Server
from kithara_storage import DiskWriter, StreamingResource
from kithara_stream import Reader

Make = Callable[..., FileSource]

READS = """
import asyncio, sys
from kithara_assets import asset_store
from kithara_file import FileOptions, FileSource
from kithara_net import HttpClient

async def main(url, root, size, look_ahead):
    options = FileOptions(look_ahead=look_ahead)
    with asset_store(root) as store:
        async with HttpClient() as net:
            async with FileSource(url, store=store, net=net, options=options) as session:
                reader = session.reader()
                got = await asyncio.to_thread(reader.read, size)
                print(len(got), flush=True)
                await asyncio.to_thread(sys.stdin.read)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


async def other_process(
    url: str, store: DiskAssetStore, *, size: int, look_ahead: int = 8_000_000
) -> subprocess.Popen[bytes]:
    """A process that has read `size` bytes of a file and keeps it open."""
    arguments = (url, str(store.root), str(size), str(look_ahead))
    command = (sys.executable, "-c", READS, *arguments)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: ASYNC220 # it is our own; only starts
    assert process.stdout is not None
    line = await asyncio.to_thread(process.stdout.readline)
    assert line.split() == [str(size).encode()]
    return process


async def read(reader: Reader, size: int = -1) -> bytes:
    return await asyncio.to_thread(reader.read, size)


async def read_all(session: FileSession) -> bytes:
    with session.reader() as reader:
        return await read(reader)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, nobody asks for himself."""
    monkeypatch.setattr(_following, "PATIENCE", 60.0)
    monkeypatch.setattr(_following, "FIRST_PATIENCE", 60.0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_following, "PATIENCE", 0.1)
    monkeypatch.setattr(_following, "FIRST_PATIENCE", 0.1)


@pytest.mark.usefixtures("patient")
async def test_all_of_one_process_share_one_request(
    server: Server, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song)
    server.bytes_per_second = 8_000_000
    sessions = [await source(server.url("/a.mp3")).open() for _ in range(5)]
    got = await asyncio.gather(*map(read_all, sessions))
    assert [piece == long_song for piece in got] == [True] * 5
    for session in sessions:
        await session.wait_complete()
    assert [session.stats.requests for session in sessions] == [1, 0, 0, 0, 0]
    for session in sessions:
        await session.aclose()
    assert len(server.requests) == 1


@pytest.mark.usefixtures("patient")
async def test_who_follows_takes_over_where_the_leader_was(
    server: Server, source: Make, long_song: bytes
) -> None:
    resource = server.add("/a.mp3", long_song, stall_after=1_000_000)
    leader = await source(server.url("/a.mp3")).open()
    follower = await source(server.url("/a.mp3?token=other")).open()
    reader = follower.reader()
    assert await read(reader, 1_000_000) == long_song[:1_000_000]
    resource.behaviour = {}
    rest = asyncio.create_task(read(reader))
    await leader.aclose()
    assert await rest == long_song[1_000_000:]
    await follower.wait_complete()
    assert follower.stats.bytes_cached == 1_000_000
    assert follower.stats.requests == 1
    await follower.aclose()
    first, second = server.requests
    assert first.sent == 1_000_000
    assert second.byte_range == RangeSpec(1_000_000)
    assert "If-Range" in second.headers


@pytest.mark.parametrize("etag", ["auto", ""])
async def test_a_change_meanwhile_is_told_who_follows(
    server: Server, source: Make, long_song: bytes, etag: str
) -> None:
    """What is here of the old version can be read on; nothing of the new one follows it."""
    resource = server.add("/a.mp3", long_song, etag=etag, stall_after=1_000_000)
    leader = await source(server.url("/a.mp3")).open()
    follower = await source(server.url("/a.mp3")).open()
    reader = follower.reader()
    assert await read(reader, 500_000) == long_song[:500_000]
    wait = follower.source().wait_range
    await asyncio.to_thread(wait, 0, 1_000_000)
    resource.content, resource.behaviour = bytes(len(long_song)), {}
    await leader.aclose()
    with pytest.raises(ContentChanged):
        await read(reader)
    assert await read(reader, 500_000) == long_song[500_000:1_000_000]
    with pytest.raises(ContentChanged):
        await follower.wait_complete()
    await follower.aclose()
    async with source(server.url("/a.mp3")) as session:
        assert await read_all(session) == bytes(len(long_song))


async def test_who_wants_what_the_leader_does_not_bring_asks_itself(
    server: Server, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song)
    leader = await source(server.url("/a.mp3"), look_ahead=10_000).open()
    follower = await source(server.url("/a.mp3"), look_ahead=10_000).open()
    reader, second = follower.reader(), follower.reader()
    assert await read(second, 5000) == long_song[:5000]
    reader.seek(3_000_000)
    assert await read(reader, 1000) == long_song[3_000_000:3_001_000]
    assert await read(second, 5000) == long_song[5000:10_000]
    assert server.requests[1].byte_range == RangeSpec(3_000_000)
    assert await read(leader.reader(), 1000) == long_song[:1000]
    await asyncio.gather(leader.wait_complete(), follower.wait_complete())
    reader.seek(0)
    assert await read(reader) == long_song
    assert await read_all(leader) == long_song
    await follower.aclose()
    await leader.aclose()


async def test_what_the_leader_has_in_the_end_is_not_fetched_by_who_went_alone(
    server: Server, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song)
    leader = await source(server.url("/a.mp3"), look_ahead=10_000).open()
    follower = await source(server.url("/a.mp3"), look_ahead=10_000).open()
    events, reader = follower.events(), follower.reader()
    reader.seek(3_000_000)
    assert await read(reader, 1000) == long_song[3_000_000:3_001_000]
    await leader.wait_complete()
    async for event in events:
        if isinstance(event, Complete):
            break
    assert follower.stats.requests == 1
    assert follower.stats.bytes_received < 500_000
    assert await read_all(follower) == long_song
    await follower.aclose()
    await leader.aclose()


async def test_what_a_leader_brought_before_it_went_is_taken_by_who_went_alone(
    server: Server, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song, script=[{"stall_after": 2_000_000}])
    leader = await source(server.url("/a.mp3"), look_ahead=10_000).open()
    follower = await source(server.url("/a.mp3"), look_ahead=10_000).open()
    reader = follower.reader()
    reader.seek(3_500_000)
    assert await read(reader, 1000) == long_song[3_500_000:3_501_000]
    with leader.reader() as leading:
        assert await read(leading, 2_000_000) == long_song[:2_000_000]
    await leader.aclose()
    own = follower._supply.resource
    assert isinstance(own, StreamingResource)
    await own.wait_range_async(0, 2_000_000)  # which asks nobody for them
    assert follower.stats.requests == 1
    reader.seek(0)
    assert await read(reader) == long_song
    await follower.aclose()


async def test_what_a_leader_brought_is_not_taken_where_nothing_proves_that_it_belongs_there(
    server: Server, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song, etag="", script=[{"stall_after": 2_000_000}])
    leader = await source(server.url("/a.mp3"), look_ahead=10_000).open()
    follower = await source(server.url("/a.mp3"), look_ahead=10_000).open()
    reader = follower.reader()
    reader.seek(3_500_000)
    assert await read(reader, 1000) == long_song[3_500_000:3_501_000]
    with leader.reader() as leading:
        assert await read(leading, 2_000_000) == long_song[:2_000_000]
    await leader.aclose()
    reader.seek(0)
    assert await read(reader) == long_song
    assert follower.stats.requests > 1
    assert follower.stats.bytes_received > 3_000_000
    await follower.aclose()


async def identity_of(url: str, net: HttpClient) -> dict[str, str]:
    """What a cache notes of the version that the server has."""
    with MemoryAssetStore() as memory:
        made = FileSource(url, store=memory, net=net)
        async with made as session:
            await session.wait_complete()
            with memory.open_streaming_resource(made.key) as resource:
                assert resource.identity is not None
                return dict(resource.identity)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("changed", [False, True])
async def test_who_begins_alone_takes_what_is_there_behind_the_beginning(
    server: Server, store: DiskAssetStore, net: HttpClient, source: Make, song: bytes, changed: bool
) -> None:
    """Unless it is of another version."""
    server.add("/a.mp3", song)
    identity = await identity_of(server.url("/a.mp3"), net)
    if changed:
        date = "Mon, 01 Jan 2001 00:00:00 GMT"
        identity |= {"etag": '"old"', "if_range": '"old"', "last_modified": date}
    made = source(server.url("/a.mp3"))
    with store.open_streaming_resource(made.key, resume=True) as leader:
        leader.restart(identity)
        leader.set_length(len(song))
        await leader.write_at(200_000, bytes(400_004) if changed else song[200_000:])
        await leader.flush()
        async with made as session:
            assert await read_all(session) == song
            await session.wait_complete()
            assert session.stats.bytes_cached == (0 if changed else 400_004)
            if not changed:
                assert session.stats.bytes_received == 200_000
    _, *asked = server.requests
    assert asked[0].headers["If-Range"] == identity["etag"]
    assert len(asked) == (2 if changed else 1)


async def test_who_finds_all_the_bytes_takes_their_number_from_the_version(
    server: Server, store: DiskAssetStore, net: HttpClient, source: Make, song: bytes
) -> None:
    """Whoever fetched them was gone before it wrote down how many there are."""
    server.add("/a.mp3", song)
    identity = await identity_of(server.url("/a.mp3"), net)
    made = source(server.url("/a.mp3"))
    with store.open_streaming_resource(made.key, resume=True) as leader:
        leader.restart(identity)
        await leader.write_at(0, song)
        await leader.flush()
    before = len(server.requests)
    async with made as session:
        assert await read_all(session) == song
        await session.wait_complete()
    assert len(server.requests) == before


async def test_a_copy_takes_what_comes_before_it_comes_by(tmp_path: Path, song: bytes) -> None:
    with DiskWriter() as writer:
        leader = StreamingResource.open(tmp_path / "file", writer, resume=True)
        leader.restart()
        leader.set_length(len(song))
        await leader.write_at(0, song[:300_000])
        await leader.write_at(550_000, song[550_000:])
        await leader.flush()
        follower = StreamingResource.open(tmp_path / "file", writer, resume=True)
        await follower.wait_range_async(550_000, len(song))

        class Own(StreamingResource):
            async def write_at(self, offset: int, data: bytes) -> None:
                if offset == 0:
                    await leader.write_at(400_000, song[400_000:500_000])
                    await follower.wait_range_async(400_000, 500_000)
                await super().write_at(offset, data)

        with leader, follower, Own.open(tmp_path / "own", writer) as own:
            await copy(follower, own)
            holes = [own.next_hole(at, len(song)) for at in (0, 400_000, 500_000, 550_000)]
            assert holes == [(300_000, 400_000), (500_000, 550_000), (500_000, 550_000), None]
            assert own.read_at(400_000, 100_000) == song[400_000:500_000]


@pytest.mark.usefixtures("impatient")
async def test_a_leader_that_stands_still_is_left(
    server: Server, source: Make, long_song: bytes
) -> None:
    """One follower reads beyond it, one wants all of the file."""
    server.add("/a.mp3", long_song, script=[{"stall_after": 100_000}])
    leader = await source(server.url("/a.mp3")).open()
    reading = await source(server.url("/a.mp3")).open()
    wanting = await source(server.url("/a.mp3")).open()
    got, _ = await asyncio.gather(read_all(reading), wanting.wait_complete())
    assert got == long_song
    assert wanting.length == len(long_song)
    for session in (reading, wanting, leader):
        await session.aclose()


@pytest.mark.usefixtures("impatient")
async def test_a_leader_that_never_gets_an_answer_is_not_waited_for(
    server: Server, source: Make, song: bytes
) -> None:
    server.add("/a.mp3", song, script=[{"stall_head": True}])
    opening = asyncio.create_task(source(server.url("/a.mp3")).open())
    await server.wait_for(lambda: len(server.requests) == 1)
    async with source(server.url("/a.mp3")) as session:
        assert await read_all(session) == song
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening


async def test_a_leader_that_fails_hands_over(server: Server, source: Make, song: bytes) -> None:
    script = [{"stall_after": 200_000}]
    resource: Resource = server.add("/a.mp3", song, script=script)  # type: ignore[arg-type] # a Behaviour
    leader = await source(server.url("/a.mp3")).open()
    follower = await source(server.url("/a.mp3")).open()
    work = asyncio.create_task(read_all(follower))
    await leader.aclose()
    assert await work == song
    await follower.aclose()
    assert resource.content == song


@asynccontextmanager
async def leader_that_has_all(
    made: FileSource, store: DiskAssetStore, song: bytes
) -> AsyncIterator[StreamingResource]:
    """Every byte is there, and the leader does not come to commit them."""
    with store.open_streaming_resource(made.key, resume=True) as leader:
        leader.restart({"total": str(len(song))})
        leader.set_length(len(song))
        await leader.write_at(0, song)
        await leader.flush()
        yield leader


@pytest.mark.usefixtures("patient")
async def test_who_takes_over_what_is_whole_has_nothing_to_ask(
    server: Server, store: DiskAssetStore, source: Make, song: bytes
) -> None:
    made = source(server.url("/a.mp3"))
    async with leader_that_has_all(made, store, song) as leader:
        session = await made.open()
        leader.close()
        await session.wait_complete()
        assert await read_all(session) == song
        await session.aclose()
    assert server.requests == []


@pytest.mark.usefixtures("impatient")
async def test_who_goes_alone_where_all_is_there_has_nothing_to_ask(
    server: Server, store: DiskAssetStore, source: Make, song: bytes
) -> None:
    made = source(server.url("/a.mp3"))
    async with leader_that_has_all(made, store, song), made as session:
        await session.wait_complete()
        assert await read_all(session) == song
    assert server.requests == []


@pytest.mark.usefixtures("patient")
async def test_two_processes_share_one_request(
    server: Server, store: DiskAssetStore, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song)
    server.bytes_per_second = 4_000_000
    process = await other_process(server.url("/a.mp3"), store, size=100_000)
    async with source(server.url("/a.mp3")) as session:
        assert await read_all(session) == long_song
        await session.wait_complete()
        assert session.stats.requests == 0
    out, _ = await asyncio.to_thread(process.communicate)
    assert out == b""
    assert process.returncode == 0
    assert len(server.requests) == 1


@pytest.mark.usefixtures("patient")
async def test_a_killed_leader_is_followed_up_without_a_byte_twice(
    server: Server, store: DiskAssetStore, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song, script=[{"stall_after": 2_000_000}])
    process = await other_process(server.url("/a.mp3"), store, size=2_000_000)
    async with source(server.url("/a.mp3")) as session:
        reader = session.reader()
        assert await read(reader, 2_000_000) == long_song[:2_000_000]
        rest = asyncio.create_task(read(reader))
        process.kill()
        await asyncio.to_thread(process.communicate)
        assert await rest == long_song[2_000_000:]
        await session.wait_complete()
    assert server.requests[1].byte_range == RangeSpec(2_000_000)
    assert sum(request.sent for request in server.requests) == len(long_song)


async def test_patience_ends_where_no_bytes_arrive(
    server: Server, store: DiskAssetStore, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song, stall_after=500_000)
    made = source(server.url("/a.mp3"))
    async with made as session:
        await asyncio.to_thread(session.source().wait_range, 0, 500_000)
        with store.open_streaming_resource(made.key, resume=True) as resource:
            await resource.wait_range_async(0, 500_000)
            following = Following(resource)
            place = Place(lambda: None, lambda _: None)
            assert following.patience(place) is None
            place.need(100_000)
            assert following.patience(place) is None  # that byte is here
            place.need(500_000)
            patience = following.patience(place)
            assert patience is not None
            assert patience > 0
            place.need(3_000_000)
            assert following.patience(place) == 0  # none arrive near it
            place.advance(3_000_000)
            assert following.patience(place) is None
            following.close()
