import asyncio
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kithara_assets import DiskAssetStore, OfflineMiss
from kithara_hls import (
    BufferLevel,
    HlsSession,
    HlsSource,
    KeyContext,
    KeyFetched,
    KeyInvalid,
    PlaylistLoaded,
    SegmentComplete,
    SegmentInvalid,
    SegmentLost,
    SegmentStarted,
    SessionEnded,
    SessionFailed,
    ThroughputSample,
    VariantSelected,
)
from kithara_net import HttpClient, NetError, UnexpectedStatus
from kithara_net.testing import Behaviour, GeneratedContent, Server
from kithara_stream import Cancelled, Reader

PROMPT = 1.0  # seconds: a tenth of it on an idle machine; who hangs takes longer by far

Record = Callable[..., Any]
Open = Callable[..., HlsSource]


def read_all(reader: Reader) -> str:
    with reader:
        digest = hashlib.sha256()
        while piece := reader.read(7001):
            digest.update(piece)
        return digest.hexdigest()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def cached_files(store: DiskAssetStore) -> dict[str, bytes]:
    found = {}
    for path in sorted(store.root.glob("*/**/*")):
        if path.suffix == ".meta" or path.name == "throughput.json" or not path.is_file():
            continue
        if path.parts[len(store.root.parts)] != "_index":
            found["/".join(path.parts[len(store.root.parts) + 1 :])] = path.read_bytes()
    return found


async def test_a_reader_gets_every_byte_in_order(rich: Record, source: Open) -> None:
    made = rich()
    async with source(made.url) as session:
        assert await asyncio.to_thread(read_all, session.reader()) == sha(made.clear)
        assert session.duration == 17.5
        assert session.length is None
        assert not session.reader().seekable()


async def test_cached_as_received_and_played_again_with_no_request(
    rich: Record, source: Open, server: Server, store: DiskAssetStore
) -> None:
    made = rich()
    async with source(made.url) as session:
        await session.wait_complete()
        first = session.stats
    assert first.requests == len(server.requests) == 1 + 2 + 2 + 7
    assert first.bytes_received == sum(request.sent for request in server.requests)
    assert first.bytes_cached == 0
    files = cached_files(store)
    assert files["master.m3u8"] == made.served["list.m3u8"]
    assert files["segments/master/music/5.m4s"] == made.served["5.m4s"]
    assert files["init/master/music/init-b.mp4"] == made.served["init-b.mp4"]
    assert files["keys/master/music/a.key"] == made.served["a.key"]
    assert len(files) == 12
    (key_file,) = store.root.glob("*/keys/master/music/a.key")
    assert key_file.stat().st_mode & 0o777 == 0o600
    server.requests.clear()
    for offline in (False, True):
        async with source(made.url, offline=offline) as session:
            await session.wait_complete()
            assert await asyncio.to_thread(read_all, session.reader()) == sha(made.clear)
            assert session.stats.requests == 0
            assert session.stats.bytes_cached == sum(len(f) for f in files.values())
    assert server.requests == []


def publish_with_token(made: Any, server: Server, token: str) -> None:
    """Serve a recording so that only the URLs of its newest playlist are answered."""
    for name in ("1.ts", "2.ts", "3.ts", "a.key", "b.key"):
        for expired in ("", "?t=old"):
            server.add(f"{made.folder}/{name}{expired}", status=403)
        server.add(f"{made.folder}/{name}?t={token}", made.served[name])
    lines = [line + f"?t={token}" if line.endswith(".ts") else line for line in made.lines]
    text = "\n".join([*lines, "#EXT-X-ENDLIST", ""])
    text = text.replace('.key"', f'.key?t={token}"')
    made.serve("list.m3u8", text.encode())


def with_keys(record: Record) -> Any:
    made = record().use_key("a.key", explicit=True).segment("1.ts").segment("2.ts")
    return made.use_key("b.key", explicit=True).segment("3.ts")


async def test_a_playlist_of_yesterday_is_loaded_anew_when_its_tokens_have_expired(
    record: Record, source: Open, server: Server
) -> None:
    made = with_keys(record)
    publish_with_token(made, server, "old")
    server.add("/music/2.ts?t=old", status=503)
    async with source(made.url) as session:
        with pytest.raises(SegmentLost):
            await session.wait_complete()
    publish_with_token(made, server, "new")
    async with source(made.url) as session:
        await session.wait_complete()
        assert await asyncio.to_thread(read_all, session.reader()) == sha(made.clear)
    assert len(server.requests_for("/music/list.m3u8")) == 2
    assert [r.sent > 0 for r in server.requests_for("/music/1.ts")] == [True]
    # What is complete now needs no token at all.
    async with source(made.url, offline=True) as session:
        await session.wait_complete()


async def test_tokens_that_expire_again_and_again_while_it_plays(
    record: Record, source: Open, server: Server
) -> None:
    """Each playlist is good for one segment and one key; the last key expires with its segment."""
    made = with_keys(record)
    for token, (segment, key) in enumerate(zip("123", ("a", "a", "b"), strict=True)):
        publish_with_token(made, server, str(token))
        server.add(f"/music/{token}.m3u8", made.served["list.m3u8"])
        for name in (f"{n}.ts" for n in "123" if n != segment):
            server.add(f"/music/{name}?t={token}", status=403)
        for name in (f"{n}.key" for n in "ab" if n != key):
            server.add(f"/music/{name}?t={token}", status=410)
    lists: list[Behaviour] = [{"redirect": f"/music/{token}.m3u8"} for token in range(3)]
    server.add("/music/list.m3u8", script=lists, status=404)
    async with source(made.url, parallel=1) as session:
        await session.wait_complete()
        assert await asyncio.to_thread(read_all, session.reader()) == sha(made.clear)
    assert len(server.requests_for("/music/list.m3u8")) == 3


async def test_tokens_that_are_refused_for_ever_end_it(
    record: Record, source: Open, server: Server
) -> None:
    """Every playlist has a token of its own, but none is good for the second segment."""
    made = with_keys(record)
    lists: list[Behaviour] = []
    for token in range(30):
        publish_with_token(made, server, str(token))
        server.add(f"/music/{token}.m3u8", made.served["list.m3u8"])
        server.add(f"/music/2.ts?t={token}", status=403)
        lists.append({"redirect": f"/music/{token}.m3u8"})
    server.add("/music/list.m3u8", script=lists, status=404)
    async with source(made.url, parallel=1) as session:
        with pytest.raises(SegmentLost):
            await session.wait_complete()
    assert len(server.requests_for("/music/list.m3u8")) == 2


async def test_a_playlist_that_describes_something_else_does_not_renew_a_url(
    record: Record, source: Open, server: Server
) -> None:
    made = with_keys(record)
    publish_with_token(made, server, "old")
    server.add("/music/2.ts?t=old", status=503)
    async with source(made.url) as session:
        with pytest.raises(SegmentLost):
            await session.wait_complete()
    publish_with_token(with_keys(record).segment("1.ts"), server, "new")
    async with source(made.url) as session:
        with pytest.raises(SegmentLost) as caught:
            await session.wait_complete()
    assert isinstance(caught.value.__cause__, UnexpectedStatus)
    assert caught.value.__cause__.status == 403
    assert len(server.requests_for("/music/list.m3u8")) == 2


async def test_a_fresh_playlist_is_not_loaded_twice(
    record: Record, source: Open, server: Server
) -> None:
    made = with_keys(record).publish()
    server.add("/music/3.ts", status=403)
    async with source(made.url) as session:
        with pytest.raises(SegmentLost):
            await session.wait_complete()
    assert len(server.requests_for("/music/list.m3u8")) == 1


async def test_a_stalled_reader_holds_the_socket_back(
    record: Record, source: Open, server: Server, net: HttpClient
) -> None:
    made = record().segment("1.ts", 3_000_000).segment("2.ts", 60_000_000).segment("3.ts").publish()
    server.add("/other", GeneratedContent(60_000_000))
    async with source(made.url, look_ahead=1_000_000) as session:
        reader = session.reader()
        assert len(await asyncio.to_thread(reader.read, 2_500_000)) == 2_500_000
        assert await asyncio.to_thread(session.source().wait_range, 3_400_000, 3_400_001) == "ready"
        # As many bytes go to somebody else meanwhile; none of them to a reader that stands still.
        async with net.stream(server.url("/other")) as other:
            assert sum([len(piece) async for piece in other]) == 60_000_000
        # A look-ahead, another for the part that was begun, and what was on its way.
        assert session.stats.bytes_received < 3_500_000 + 1_000_000 + 500_000
        assert server.requests_for("/music/2.ts")[0].sent < 30_000_000
        assert server.requests_for("/music/3.ts") == []
        assert await asyncio.to_thread(read_all, reader) == sha(made.clear[2_500_000:])


async def test_no_look_ahead_fetches_what_is_waited_for(
    rich: Record, record: Record, source: Open, server: Server, net: HttpClient
) -> None:
    made = record("/other-music").segment("1.ts").segment("2.ts").segment("3.ts").publish()
    server.add("/other", b"x")
    async with source(made.url, look_ahead=0) as session:
        reader = session.reader()
        for count, read in enumerate((0, 5000, 5000)):
            expected = made.parts[count - 1] if count else b""
            assert await asyncio.to_thread(reader.read, read) == expected
            await net.get_bytes(server.url("/other"))
            assert [r.path for r in server.requests if r.path.endswith(".ts")] == [
                f"/other-music/{i + 1}.ts" for i in range(count)
            ]
        assert await asyncio.to_thread(reader.read) == made.parts[2]
    made = rich()
    async with source(made.url, look_ahead=0) as session:
        assert await asyncio.to_thread(read_all, session.reader()) == sha(made.clear)


async def test_events_tell_the_way_and_repeat_no_secret(record: Record, source: Open) -> None:
    made = record().use_key("k.key?secret", explicit=True).segment("1.ts?secret").publish()
    made.server.add("/music/k.key", made.key)
    made.server.add("/music/1.ts", made.served["1.ts?secret"])
    for cached in (False, True):
        async with source(made.url + "?secret") as session:
            events = session.events()
            await session.wait_complete()
        told = [event async for event in events]
        seen = [e for e in told if not isinstance(e, BufferLevel | ThroughputSample)]
        assert [type(event) for event in seen[:2]] == [PlaylistLoaded, VariantSelected]
        assert {type(event) for event in seen[2:-2]} == {KeyFetched, SegmentStarted}
        assert [type(event) for event in seen[-2:]] == [SegmentComplete, SessionEnded]
        assert any(isinstance(event, ThroughputSample) for event in told) is not cached
        assert {event.cached for event in seen if hasattr(event, "cached")} == {cached}
        assert seen[-1] == SessionEnded(size=5000)
        assert seen[-2].size == 5008  # type: ignore[union-attr] # it is a SegmentComplete
        assert "secret" not in repr(told)


# -- what goes wrong ---------------------------------------------------------------------------


async def fails(session: HlsSession) -> Exception:
    """The error of a session: one object, from the reader and from wait_complete."""
    reader = session.reader()
    with pytest.raises(Exception) as from_reader:  # its type is the answer
        await asyncio.to_thread(read_all, reader)
    with pytest.raises(Exception) as from_waiting:  # its type is the answer
        await session.wait_complete()
    assert from_reader.value is from_waiting.value
    return from_waiting.value


async def test_a_missing_segment_is_an_error_and_never_a_shorter_success(
    record: Record, source: Open
) -> None:
    made = record().segment("1.ts").segment("2.ts").publish()
    made.resources["2.ts"].behaviour = {"status": 404}
    async with source(made.url) as session:
        events = session.events()
        reader = session.reader()
        assert await asyncio.to_thread(reader.read, 5000) == made.parts[0]
        error = await fails(session)
        assert isinstance(error, SegmentLost)
        assert isinstance(error.__cause__, NetError)
        assert (error.index, error.start, error.duration) == (1, 2.5, 2.5)
    assert SessionFailed(error=error) in [event async for event in events]


async def test_a_body_cut_short_is_an_error_and_no_end(record: Record, source: Open) -> None:
    made = record().use_key("k", explicit=True).segment("1.ts").publish()
    made.resources["1.ts"].behaviour = {"cut_after": 2008}
    async with source(made.url) as session:
        assert isinstance(await fails(session), SegmentLost)
    made.resources["1.ts"].behaviour = {}
    async with source(made.url) as session:
        assert await asyncio.to_thread(read_all, session.reader()) == sha(made.clear)


async def test_a_bad_key_is_fetched_twice_and_never_cached(
    record: Record, source: Open, server: Server, store: DiskAssetStore
) -> None:
    made = record().use_key("k.key", explicit=True).segment("1.ts").publish()
    server.add("/music/k.key", b"<html>login")
    async with source(made.url) as session:
        error = await fails(session)
    assert isinstance(error, KeyInvalid)
    assert error.length == 11
    assert error.url == server.url("/music/k.key")
    assert error.segment_url == server.url("/music/1.ts")
    assert len(server.requests_for("/music/k.key")) == 2
    assert not any(name.startswith("keys/") for name in cached_files(store))

    server.add("/music/k.key", made.key, script=[{"status": 200, "raw": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope"
    )}])  # fmt: skip
    async with source(made.url) as session:
        assert await asyncio.to_thread(read_all, session.reader()) == sha(made.clear)
    assert len(server.requests_for("/music/k.key")) == 4


async def test_the_key_processor_runs_once_before_the_cache(
    record: Record, source: Open, server: Server, store: DiskAssetStore
) -> None:
    made = record().use_key("k.key", explicit=True).segment("1.ts").publish()
    server.add("/music/k.key", b"wrapped" + made.key)
    seen: list[tuple[bytes, str]] = []

    def unwrap(body: bytes, url: str, context: KeyContext) -> bytes:
        assert context.method == "AES-128"
        seen.append((body, url))
        return body.removeprefix(b"wrapped")

    for offline in (False, True):
        async with source(made.url, key_processor=unwrap, offline=offline) as session:
            assert await asyncio.to_thread(read_all, session.reader()) == sha(made.clear)
    assert seen == [(b"wrapped" + made.key, server.url("/music/k.key"))]
    assert cached_files(store)["keys/master/music/k.key"] == made.key


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda coded: coded[:-1], "multiple of 16"),
        (lambda coded: coded[:-16], "padding"),
        (lambda coded: b"", "empty"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_damaged_encrypted_segment_is_named(
    record: Record,
    source: Open,
    server: Server,
    store: DiskAssetStore,
    damage: Callable[[bytes], bytes],
    reason: str,
    chunked: bool,
) -> None:
    made = record().use_key("k.key", explicit=True).segment("1.ts").publish()
    server.add("/music/1.ts", damage(made.served["1.ts"]), chunked=chunked)
    async with source(made.url) as session:
        error = await fails(session)
    assert isinstance(error, SegmentInvalid)
    assert reason in str(error)
    assert error.url == server.url("/music/1.ts")
    assert error.key_url == server.url("/music/k.key")
    assert made.key.hex() not in repr(error)
    assert not any(name.startswith("segments/") for name in cached_files(store))


async def test_offline_names_what_is_missing(
    rich: Record, source: Open, server: Server, store: DiskAssetStore
) -> None:
    made = rich()
    with pytest.raises(OfflineMiss, match=r"the playlist list\.m3u8 is not in the cache"):
        await source(made.url, offline=True).open()
    assert server.requests == []
    async with source(made.url) as session:
        await session.wait_complete()
    server.requests.clear()
    for gone, missing in (
        ("segments/master/music/6.m4s", "segment 5"),
        ("keys/master/music/b.key", "the key"),
        ("init/master/music/init-a.mp4", "an init section"),
    ):
        (path,) = store.root.glob(f"*/{gone}")
        path.unlink()
        async with source(made.url, offline=True) as session:
            error = await fails(session)
        assert isinstance(error, OfflineMiss)
        assert error.missing == missing
        assert error.url.endswith(Path(gone).name)
    assert server.requests == []
    async with source(made.url) as session:
        assert await asyncio.to_thread(read_all, session.reader()) == sha(made.clear)
    assert len(server.requests) == 3


# -- closing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["k.key", "1.ts", "2.ts", "demand", "end"])
async def test_closing_anywhere_is_quick_and_wakes_readers(
    record: Record, source: Open, server: Server, where: str
) -> None:
    made = record().use_key("k.key", explicit=True).segment("1.ts", 500_000)
    made.segment("2.ts", 500_000).publish()
    if where in made.resources:
        stall = {"stall_head": True} if where == "k.key" else {"stall_after": 300_000}
        made.resources[where].behaviour = stall
    session = await source(made.url, look_ahead=0 if where == "demand" else 2**20).open()
    reader = session.reader()
    waiting = asyncio.create_task(session.wait_complete()) if where != "demand" else None
    blocked = asyncio.create_task(asyncio.to_thread(reader.read, 2_000_000))
    if where in made.resources:
        await server.wait_for(lambda: bool(server.requests_for(f"/music/{where}")))
    elif where == "end":
        await blocked
    began = time.perf_counter()
    await session.aclose()
    assert time.perf_counter() - began < PROMPT
    if where in made.resources:
        with pytest.raises(Cancelled):
            await blocked
        assert waiting is not None
        with pytest.raises(Cancelled):
            await waiting
    else:
        await asyncio.wait([task for task in (blocked, waiting) if task is not None])
        for task in (blocked, waiting):
            assert task is None or isinstance(task.exception(), Cancelled | None)
    with pytest.raises(Cancelled):
        await asyncio.to_thread(session.reader().read, 1)
    await session.aclose()


async def test_a_close_that_is_cancelled_again_and_again_closes_all(
    record: Record, source: Open, server: Server
) -> None:
    made = record().use_key("k.key", explicit=True).segment("1.ts", 500_000).publish()
    made.resources["1.ts"].behaviour = {"stall_after": 300_000}
    session = await source(made.url).open()
    blocked = asyncio.create_task(asyncio.to_thread(session.reader().read, 500_000))
    await server.wait_for(lambda: bool(server.requests_for("/music/1.ts")))
    closing = asyncio.create_task(session.aclose())
    await asyncio.sleep(0)
    while not closing.done():
        closing.cancel()
        await asyncio.sleep(0)
    with pytest.raises(Cancelled):
        await blocked
    assert closing.cancelled()
