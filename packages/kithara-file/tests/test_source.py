import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

import pytest

from kithara_assets import DiskAssetStore, OfflineMiss, ResourceKey, StoreClosed, asset_store
from kithara_assets import InvalidUrl as InvalidAssetUrl
from kithara_file import Complete, Connected, FileSession, FileSource, MediaKnown, NotMedia
from kithara_net import (
    BodyTruncated,
    ConnectFailed,
    ContentChanged,
    HttpClient,
    NetClosed,
    NetOptions,
    RangeSpec,
    UnexpectedStatus,
)
from kithara_net.testing import Behaviour, Server
from kithara_stream import MediaInfo

Make = Callable[..., FileSource]


def files_of(store: DiskAssetStore) -> list[Path]:
    """The complete files, without what the store notes beside them."""
    notes = (".part", ".map", ".meta", ".lease")
    files = (p for p in store.root.glob("*/*") if p.is_file() and p.parent.name != "_index")
    return [p for p in files if p.suffix not in notes]


async def read_all(session: FileSession) -> bytes:
    with session.reader() as reader:
        return await asyncio.to_thread(reader.read)


async def test_opened_read_and_kept(
    server: Server, store: DiskAssetStore, source: Make, song: bytes
) -> None:
    server.add("/a.mp3", song)
    made = source(server.url("/a.mp3"))
    async with made as session:
        assert session.length == len(song)
        assert session.media_info == MediaInfo(container="mp3", media_type="audio/mpeg")
        got = await read_all(session)
        await session.wait_complete()
        assert session.stats.requests == 1
        assert session.stats.bytes_received == len(song)
    assert hashlib.sha256(got).digest() == hashlib.sha256(song).digest()
    assert (store.root / made.key.asset_root / made.key.rel_path).read_bytes() == song
    assert len(server.requests) == 1


@pytest.mark.parametrize("offline", [False, True])
async def test_a_complete_file_needs_no_request(
    server: Server, source: Make, song: bytes, offline: bool
) -> None:
    server.add("/a.mp3", song)
    async with source(server.url("/a.mp3")) as session:
        await session.wait_complete()
    server.requests.clear()
    async with source(server.url("/a.mp3?token=new"), offline=offline, whole=True) as session:
        assert await read_all(session) == song
        await session.wait_complete()
        assert session.length == len(song)
        assert session.media_info.container == "mp3"
        assert session.stats.requests == session.stats.bytes_received == 0
        assert session.stats.bytes_cached == len(song)
        events = session.events()
    info = MediaInfo(container="mp3")
    assert [e async for e in events] == [
        MediaKnown(length=len(song), media_info=info),
        Complete(length=len(song), media_info=info),
    ]
    assert server.requests == []


async def test_offline_names_what_is_missing(server: Server, source: Make) -> None:
    with pytest.raises(OfflineMiss) as caught:
        await source(server.url("/a.mp3?token=1"), offline=True).open()
    assert caught.value.url == server.url("/a.mp3")
    assert server.requests == []


async def leave_halfway(source: Make, url: str, size: int) -> None:
    """A session that reads the first `size` bytes and is closed."""
    async with source(url, look_ahead=10_000) as session:
        reader = session.reader()
        assert len(await asyncio.to_thread(reader.read, size)) == size


async def test_a_file_that_was_left_halfway_goes_on_where_it_was(
    server: Server, store: DiskAssetStore, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song)
    await leave_halfway(source, server.url("/a.mp3"), 1_000_000)
    asked = len(server.requests)
    async with source(server.url("/a.mp3")) as session:
        connected = await anext(session.events())
        assert await read_all(session) == long_song
        await session.wait_complete()
        stats = session.stats
    assert isinstance(connected, Connected)
    assert connected.resumed == stats.bytes_cached >= 1_000_000
    assert stats.bytes_cached + stats.bytes_received == len(long_song)
    (request,) = server.requests[asked:]
    assert request.byte_range == RangeSpec(stats.bytes_cached)
    assert request.headers["If-Range"].startswith('"')
    assert [p.read_bytes() for p in files_of(store)] == [long_song]


async def test_what_is_far_behind_the_reader_is_proven_too(
    server: Server, source: Make, long_song: bytes
) -> None:
    """Nothing is read ahead for a long time, and still the server is asked first."""
    resource = server.add("/a.mp3", long_song)
    await leave_halfway(source, server.url("/a.mp3"), 2_000_000)
    resource.content = bytes(len(long_song))
    async with source(server.url("/a.mp3"), look_ahead=1000) as session:
        assert session.stats.bytes_cached == 0
        reader = session.reader()
        assert await asyncio.to_thread(reader.read, 100) == bytes(100)


@pytest.mark.parametrize("shorter", [0, 2_500_000])
@pytest.mark.parametrize("etag", ["auto", ""])
async def test_a_file_that_changed_meanwhile_is_fetched_anew(
    server: Server, store: DiskAssetStore, source: Make, long_song: bytes, shorter: int, etag: str
) -> None:
    resource = server.add("/a.mp3", long_song, etag=etag)
    await leave_halfway(source, server.url("/a.mp3"), 1_000_000)
    resource.content = changed = bytes(len(long_song) - shorter)
    async with source(server.url("/a.mp3")) as session:
        assert await read_all(session) == changed
        await session.wait_complete()
        assert session.stats.bytes_cached == 0
    assert [p.read_bytes() for p in files_of(store)] == [changed]


async def test_without_a_validator_the_bytes_decide(
    server: Server, source: Make, long_song: bytes
) -> None:
    """64 KiB are fetched again, and compared."""
    server.add("/a.mp3", long_song, etag="")
    await leave_halfway(source, server.url("/a.mp3"), 1_000_000)
    asked = len(server.requests)
    async with source(server.url("/a.mp3")) as session:
        assert await read_all(session) == long_song
        await session.wait_complete()
        kept = session.stats.bytes_cached
    assert kept >= 1_000_000
    assert [r.byte_range for r in server.requests[asked:]] == [RangeSpec(kept - 64 * 1024)]


async def test_offline_gives_what_is_there_and_names_the_rest(
    server: Server, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song)
    await leave_halfway(source, server.url("/a.mp3"), 1_000_000)
    asked = len(server.requests)
    for _ in range(2):
        async with source(server.url("/a.mp3"), offline=True) as session:
            reader = session.reader()
            assert await asyncio.to_thread(reader.read, 1_000_000) == long_song[:1_000_000]
            with pytest.raises(OfflineMiss, match=f"-{len(long_song) - 1} of {len(long_song)}"):
                await asyncio.to_thread(reader.read)
            with pytest.raises(OfflineMiss):
                await session.wait_complete()
    assert len(server.requests) == asked
    async with source(server.url("/a.mp3")) as session:
        assert await read_all(session) == long_song
        assert session.stats.bytes_cached >= 1_000_000


@pytest.mark.parametrize(
    "behaviour",
    [
        {"chunked": True},
        {"ignore_range": True, "chunked": True},
        {"ignore_range": True, "close_delimited": True},
        {"total_unknown": True},
    ],
)
async def test_an_unknown_length_is_known_at_the_end(
    server: Server, store: DiskAssetStore, source: Make, song: bytes, behaviour: Behaviour
) -> None:
    server.add("/a.mp3", song, **behaviour)
    async with source(server.url("/a.mp3"), look_ahead=50_000) as session:
        assert await read_all(session) == song
        await session.wait_complete()
        assert session.length == len(song)
        reader = session.reader()
        assert reader.seek(-10, 2) == len(song) - 10
        assert reader.read() == song[-10:]
    assert [p.read_bytes() for p in files_of(store)] == [song]


async def test_a_body_ended_by_its_connection_is_not_seekable_before(
    server: Server, source: Make, song: bytes
) -> None:
    server.add("/a.mp3", song, ignore_range=True, close_delimited=True, stall_after=5000)
    async with source(server.url("/a.mp3")) as session:
        assert session.length is None
        assert not session.reader().seekable()
        connected = await anext(session.events())
        assert isinstance(connected, Connected)
        assert connected.total is None


@pytest.mark.parametrize("size", [1, 3, 1023, 1024])
async def test_a_tiny_file_is_a_file(server: Server, source: Make, song: bytes, size: int) -> None:
    server.add("/a.mp3", song[:size])
    async with source(server.url("/a.mp3")) as session:
        assert await read_all(session) == song[:size]
        await session.wait_complete()


@pytest.mark.parametrize(
    ("content", "behaviour", "container"),
    [
        (b"", {}, None),  # 416
        (b"", {"ignore_range": True}, None),  # 200 of length 0
        (b"", {"ignore_range": True, "chunked": True}, None),
        (b"", {"ignore_range": True, "close_delimited": True}, None),
        (b"<!doctype html>" + bytes(9000), {}, "html"),
        (b"\n <HTML>", {}, "html"),
        (b"#EXTM3U\n#EXT-X-VERSION:3\n", {}, "hls"),
        (b"<p>hello", {"headers": {"Content-Type": "text/html; charset=utf-8"}}, "html"),
    ],
)
async def test_what_is_no_media_is_refused_and_not_kept(
    server: Server,
    store: DiskAssetStore,
    source: Make,
    content: bytes,
    behaviour: Behaviour,
    container: str | None,
) -> None:
    server.add("/a.mp3", content, **behaviour)
    with pytest.raises(NotMedia) as caught:
        await source(server.url("/a.mp3?token=1"), whole=True).open()
    assert caught.value.container == container
    assert "token" not in str(caught.value)
    assert files_of(store) == []


async def test_the_answer_404_is_told(server: Server, store: DiskAssetStore, source: Make) -> None:
    with pytest.raises(UnexpectedStatus) as caught:
        await source(server.url("/none.mp3")).open()
    assert caught.value.status == 404
    assert files_of(store) == []


async def test_nobody_listens(server: Server, source: Make) -> None:
    listener = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    with pytest.raises(ConnectFailed):
        await source(f"http://127.0.0.1:{port}/a.mp3").open()


async def test_a_body_that_breaks_in_its_first_bytes(
    server: Server, source: Make, song: bytes
) -> None:
    server.add("/a.mp3", song, cut_after=100)
    with pytest.raises(BodyTruncated):
        await source(server.url("/a.mp3")).open()


async def test_what_is_closed_below_is_told(
    server: Server, net: HttpClient, store: DiskAssetStore, source: Make, song: bytes
) -> None:
    server.add("/a.mp3", song)
    with pytest.raises(InvalidAssetUrl):
        await source("http://[no/address").open()
    await net.aclose()
    with pytest.raises(NetClosed):
        await source(server.url("/a.mp3")).open()
    store.close()
    with pytest.raises(StoreClosed):
        await source(server.url("/a.mp3")).open()


def test_the_key_leaves_the_query_out_but_for_a_discriminator(source: Make) -> None:
    assert source("http://h/a/b.mp3?x=1").key == source("http://H:80/a/b.mp3?x=2#f").key
    assert source("http://h/a/b.mp3").key.rel_path == "a/b.mp3"
    assert isinstance(source("http://h/").key, ResourceKey)
    other = source("http://h/a/b.mp3", discriminator="2").key
    assert other != source("http://h/a/b.mp3", discriminator="1").key


async def test_a_source_is_entered_once_at_a_time(
    server: Server, source: Make, song: bytes
) -> None:
    server.add("/a.mp3", song)
    made = source(server.url("/a.mp3"))
    async with made as session:
        with pytest.raises(RuntimeError, match="open"):
            async with made:
                pass
        assert await read_all(session) == song
        other = await made.open()
        assert await read_all(other) == song
        await other.aclose()
    async with made as session:
        assert await read_all(session) == song


class CancelledAt:
    """Awaits a coroutine and cancels the task right before it waits for the nth time."""

    def __init__(self, work: Coroutine[Any, Any, FileSession], at: int) -> None:
        self._work = work
        self._at = at
        self.reached = False

    def __await__(self) -> Generator[Any, Any, FileSession]:
        steps, count = self._work.__await__(), 0
        thrown: BaseException | None = None
        while True:
            try:
                waits_for = next(steps) if thrown is None else steps.throw(thrown)
            except StopIteration as stop:
                result: FileSession = stop.value
                return result
            count += 1
            if count == self._at:
                self.reached = True
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001 # handed on to the coroutine
                thrown = error
            else:
                thrown = None


async def test_opening_may_be_cancelled_at_every_wait(
    server: Server, source: Make, song: bytes
) -> None:
    server.add("/b.mp3", song)
    server.bytes_per_second = 20_000  # the first 1024 bytes come in two pieces
    for at in range(1, 100):
        opening = CancelledAt(source(server.url("/b.mp3"), discriminator=str(at)).open(), at)
        try:
            session = await opening
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
        else:
            await session.aclose()
        if not opening.reached:
            break
    assert at > 2


@pytest.mark.parametrize(
    "behaviour", [{"stall_head": True}, {"stall_after": 0}, {"stall_after": 9}]
)
async def test_opening_may_be_cancelled_while_the_server_is_silent(
    server: Server, store: DiskAssetStore, song: bytes, nothing_left: None, behaviour: Behaviour
) -> None:
    server.add("/a.mp3", song, **behaviour)
    # A connection ahead would stay in the pool, as it should.
    async with HttpClient(NetOptions(preconnect=False)) as net:
        opening = asyncio.create_task(FileSource(server.url("/a.mp3"), store=store, net=net).open())
        await server.wait_for(
            lambda: any(r.sent == behaviour.get("stall_after", 0) for r in server.requests)
        )
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await server.wait_for(lambda: server.connections == 0)


async def test_a_file_that_changed_between_two_sessions_of_one_store(
    server: Server, store: DiskAssetStore, net: HttpClient, source: Make, song: bytes
) -> None:
    """What is complete is the cache's; only within a session must versions agree."""
    resource = server.add("/a.mp3", song)
    async with source(server.url("/a.mp3")) as session:
        await session.wait_complete()
    resource.content = bytes(len(song))
    async with source(server.url("/a.mp3")) as session:
        assert await read_all(session) == song


async def test_the_store_may_be_opened_again(
    server: Server, net: HttpClient, tmp_path: Path, song: bytes, nothing_left: None
) -> None:
    server.add("/a.mp3", song)
    for _ in range(2):
        with asset_store(tmp_path / "other") as store:
            async with FileSource(server.url("/a.mp3"), store=store, net=net) as session:
                assert await read_all(session) == song
                await session.wait_complete()
    assert len(server.requests) == 1


async def test_a_change_is_never_mixed_in(
    server: Server, store: DiskAssetStore, source: Make, long_song: bytes
) -> None:
    resource = server.add("/a.mp3", long_song)
    async with source(server.url("/a.mp3"), look_ahead=10_000) as session:
        reader = session.reader()
        assert await asyncio.to_thread(reader.read, 5000) == long_song[:5000]
        resource.content = bytes(len(long_song))
        reader.seek(2_000_000)
        with pytest.raises(ContentChanged) as caught:
            await asyncio.to_thread(reader.read, 1)
        with pytest.raises(ContentChanged) as again:
            await session.wait_complete()
        assert caught.value is again.value
    assert files_of(store) == []
    async with source(server.url("/a.mp3")) as session:
        assert await read_all(session) == bytes(len(long_song))
