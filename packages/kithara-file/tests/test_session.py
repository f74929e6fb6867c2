import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

import pytest

from kithara_assets import DiskAssetStore, DiskFull, ResourceClosed
from kithara_file import (
    CacheDegraded,
    Complete,
    Connected,
    Failed,
    FileEvent,
    FileOptions,
    FileSession,
    FileSource,
    HoleFilled,
    MediaKnown,
    Progress,
    SeekServed,
)
from kithara_net import BodyTruncated, ContentChanged, HttpClient, NetError, NetOptions, RangeSpec
from kithara_net.testing import Behaviour, GeneratedContent, Server, pattern_bytes
from kithara_stream import Cancelled, Interrupted

PROMPT = 1.0  # seconds: a tenth of it on an idle machine; who hangs takes longer by far

Make = Callable[..., FileSource]
T = TypeVar("T")


class Reading(threading.Thread):
    """Reads in a thread of its own and keeps what came of it."""

    def __init__(self, work: Callable[[], bytes]) -> None:
        super().__init__()
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self.result: bytes | None = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._work()
        except (Cancelled, NetError, ResourceClosed, ValueError) as error:
            self.error = error
        self._loop.call_soon_threadsafe(self._ended.set)

    async def outcome(self) -> bytes | Exception | None:
        async with asyncio.timeout(10):
            await self._ended.wait()
        self.join()
        return self.result if self.error is None else self.error


def piece(session: FileSession, start: int, size: int) -> Callable[[], bytes]:
    def read() -> bytes:
        with session.reader() as reader:
            reader.seek(start)
            return reader.read(size)

    return read


async def test_a_seek_to_what_is_not_here_is_one_more_request_there(
    server: Server, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song)
    async with source(server.url("/a.mp3"), look_ahead=100_000) as session:
        assert await asyncio.to_thread(piece(session, 3_000_000, 50)) == long_song[3_000_000:][:50]
        assert session.stats.bytes_received < 1_000_000
    assert [r.byte_range for r in server.requests] == [RangeSpec(0), RangeSpec(3_000_000)]


async def test_a_look_at_the_tail_does_not_cost_the_head(
    server: Server, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song)
    async with source(server.url("/a.mp3"), look_ahead=100_000) as session:
        reader = session.reader()

        def tail_then_all() -> bytes:
            reader.seek(-128, 2)
            assert reader.read() == long_song[-128:]
            reader.seek(0)
            return reader.read()

        assert await asyncio.to_thread(tail_then_all) == long_song
        await session.wait_complete()
        assert session.stats.requests == 2
        assert session.stats.bytes_received < len(long_song) + 300_000
    assert [r.byte_range for r in server.requests] == [
        RangeSpec(0),
        RangeSpec(len(long_song) - 128),
    ]


@pytest.mark.parametrize("readers", [2, 10])
async def test_many_readers_at_once(
    server: Server, source: Make, long_song: bytes, readers: int
) -> None:
    server.add("/a.mp3", long_song)
    starts = [i * len(long_song) // readers for i in range(readers)]
    async with source(server.url("/a.mp3"), look_ahead=200_000) as session:
        work = [Reading(piece(session, start, 1_000_000)) for start in starts]
        for start, reading in zip(starts, work, strict=True):
            assert await reading.outcome() == long_song[start : start + 1_000_000]
        await session.wait_complete()
    assert len(server.requests) < 5 * readers


async def test_more_readers_than_requests_on_a_slow_link(
    server: Server, source: Make, long_song: bytes
) -> None:
    """All get there, and their requests are no storm."""
    server.add("/a.mp3", long_song)
    server.bytes_per_second = 4_000_000
    starts = [i * 400_000 for i in range(8)]
    async with source(server.url("/a.mp3"), look_ahead=50_000) as session:
        work = [Reading(piece(session, start, 300_000)) for start in starts]
        for start, reading in zip(starts, work, strict=True):
            assert await reading.outcome() == long_song[start : start + 300_000]
    assert len(server.requests) < 60


@pytest.mark.parametrize(
    "behaviour",
    [{"ignore_range": True}, {"ignore_range": True, "headers": {"Accept-Ranges": "none"}}],
)
@pytest.mark.parametrize("whole", [False, True])
async def test_a_server_without_ranges_sends_all_once(
    server: Server, source: Make, long_song: bytes, behaviour: Behaviour, whole: bool
) -> None:
    """Whatever it says of them: some announce ranges and ignore them."""
    server.add("/a.mp3", long_song, **behaviour)
    server.bytes_per_second = 20_000_000
    options = {"look_ahead": 100_000, "whole": whole}
    async with source(server.url("/a.mp3"), **options) as session:
        assert await asyncio.to_thread(piece(session, 3_000_000, 50)) == long_song[3_000_000:][:50]
        assert await asyncio.to_thread(piece(session, 0, -1)) == long_song
        await session.wait_complete()
    assert len(server.requests) <= (1 if "headers" in behaviour else 2)


async def test_a_server_without_ranges_may_drop_a_download_that_is_held_back(
    server: Server, source: Make, long_song: bytes
) -> None:
    plain: Behaviour = {"ignore_range": True, "headers": {"Accept-Ranges": "none"}}
    server.add("/a.mp3", long_song, script=[{**plain, "cut_after": 2_000_000}], **plain)
    async with source(server.url("/a.mp3"), look_ahead=1_900_000) as session:
        events = session.events()
        while session.stats.bytes_received < 1_900_000:
            await anext(events)
        assert await asyncio.to_thread(piece(session, 0, -1)) == long_song
    assert len(server.requests) == 2


async def test_a_body_cut_in_the_middle_ends_the_fetching_with_one_error(
    server: Server, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song, cut_after=1_000_000)
    async with source(server.url("/a.mp3")) as session:
        error = await Reading(piece(session, 999_000, 2000)).outcome()
        assert isinstance(error, BodyTruncated)
        with pytest.raises(BodyTruncated) as caught:
            await session.wait_complete()
        assert caught.value is error
        got = await Reading(piece(session, 0, 1_000_000)).outcome()
        assert got == long_song[:1_000_000]
        assert await Reading(piece(session, 1_000_000, 1)).outcome() is error
        reader = session.reader()
        with pytest.raises(BodyTruncated):
            await asyncio.to_thread(reader.read, 1_000_001)
        assert reader.tell() == 0
        assert await asyncio.to_thread(reader.read, 5) == long_song[:5]
        events = session.events()
    told = [event async for event in events]
    assert [event.error for event in told if isinstance(event, Failed)] == [error]


async def test_another_size_is_another_file(server: Server, source: Make, long_song: bytes) -> None:
    resource = server.add("/a.mp3", long_song, etag="")
    async with source(server.url("/a.mp3"), look_ahead=10_000) as session:
        resource.content = long_song[:-1]
        error = await Reading(piece(session, 3_000_000, 1)).outcome()
        assert isinstance(error, ContentChanged)
        assert await Reading(piece(session, 0, 5)).outcome() == long_song[:5]


async def test_a_reader_that_stops_holds_the_server_back(server: Server, source: Make) -> None:
    size = 64 << 20
    server.add("/a.bin", GeneratedContent(size))
    async with source(server.url("/a.bin"), look_ahead=1 << 20) as session:
        reader = session.reader()
        assert await asyncio.to_thread(reader.read, 8) == pattern_bytes(0, 8)
        sent = -1
        while sent != server.requests[0].sent:  # an exchange later nothing more has been sent
            sent = server.requests[0].sent
            async with HttpClient() as other:
                await other.get_bytes(server.url("/a.bin"), byte_range=RangeSpec(0, 1 << 20))
        assert session.stats.bytes_received < 2 << 20
        assert sent < 16 << 20  # the rest is what kernels buffer
        reader.seek(1 << 20)
        assert await asyncio.to_thread(reader.read, 8) == pattern_bytes(1 << 20, (1 << 20) + 8)


async def test_whole_fetches_what_nobody_reads(
    server: Server, store: DiskAssetStore, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song)
    made = source(server.url("/a.mp3"), whole=True, look_ahead=1000)
    async with made as session:
        async for event in session.events():
            if isinstance(event, Complete):
                break
        assert session.stats.bytes_received == len(long_song)
    assert (store.root / made.key.asset_root / made.key.rel_path).read_bytes() == long_song


async def test_without_whole_only_the_read_ahead_comes(
    server: Server, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song)
    async with source(server.url("/a.mp3"), look_ahead=100_000) as session:
        assert await asyncio.to_thread(piece(session, 99_000, 1000)) == long_song[99_000:100_000]
        assert session.stats.bytes_received < 1_000_000


async def test_a_source_waits_for_more_than_is_read_ahead(
    server: Server, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song)
    async with source(server.url("/a.mp3"), look_ahead=10_000) as session:
        view = session.source()
        assert await asyncio.to_thread(view.wait_range, 0, 3_000_000, 30) == "ready"
        buffer = memoryview(bytearray(3_000_000))
        assert view.read_into(0, buffer) == 3_000_000
        assert buffer == long_song[:3_000_000]
        end = len(long_song)
        assert await asyncio.to_thread(view.wait_range, 0, end + 5, 30) == "ready"
        assert view.wait_range(end, end + 1) == "eof"
        assert view.span_at(end) is None
        span = view.span_at(5)
        assert span is not None
        assert (span.start, span.stop, span.media_info) == (0, end, session.media_info)


async def test_a_wait_may_be_bounded(server: Server, source: Make, song: bytes) -> None:
    server.add("/a.mp3", song, stall_after=5000)
    async with source(server.url("/a.mp3")) as session:
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(session.source().wait_range, 0, 6000, 0.01)
        assert session.source().wait_range(0, 5, 0) == "ready"


async def test_an_interrupted_view_waits_again_after_proceed(
    server: Server, source: Make, song: bytes
) -> None:
    server.add("/a.mp3", song, stall_after=5000)
    async with source(server.url("/a.mp3")) as session:
        view, other = session.source(), session.source()
        blocked = asyncio.create_task(asyncio.to_thread(view.wait_range, 0, 6000))
        neighbour = asyncio.create_task(asyncio.to_thread(other.wait_range, 0, 6000))
        assert await asyncio.to_thread(view.wait_range, 0, 5000) == "ready"
        view.interrupt()
        view.interrupt()
        with pytest.raises(Interrupted):
            await blocked
        with pytest.raises(Interrupted):
            view.wait_range(0, 5)
        view.proceed()
        view.proceed()
        assert view.wait_range(0, 5) == "ready"
        assert not neighbour.done()
        view.interrupt()
        view.close()
        view.proceed()
        with pytest.raises(Cancelled):
            view.wait_range(0, 5)
        other.close()
        other.interrupt()
        with pytest.raises(Cancelled):
            await neighbour


async def test_events_from_first_to_last(server: Server, source: Make, song: bytes) -> None:
    server.add("/there.mp3", song)
    server.add("/a.mp3", redirect=server.url("/there.mp3?token=1"))
    async with source(server.url("/a.mp3")) as session:
        early = session.events()
        await session.wait_complete()
        first: list[FileEvent] = []
        async for event in early:
            first.append(event)
            if isinstance(event, Complete):
                break
        late = session.events()
    connected = Connected(url=server.url("/there.mp3"), total=len(song), seekable=True)
    complete = Complete(length=len(song), media_info=session.media_info)
    assert first[0] == connected
    assert first[-1] == complete
    known = MediaKnown(length=len(song), media_info=session.media_info)
    # What came ahead of every reader is told as filled; how much that is, the link says.
    told = [event for event in first if not isinstance(event, Progress | HoleFilled)]
    assert told == [connected, known, complete]
    progress = [event for event in first if isinstance(event, Progress)]
    assert all(event.rate >= 0 for event in progress)
    assert {event.total for event in progress} <= {len(song)}
    received = [event.received for event in progress]
    assert received == sorted(received)
    states = [event for event in first if not isinstance(event, Progress)]
    assert [event async for event in late] == states
    assert [event async for event in session.events()] == states


async def test_events_of_seeking_and_of_filling(
    server: Server, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song)
    async with source(server.url("/a.mp3"), look_ahead=10_000) as session:
        reader = session.reader()
        reader.seek(3_000_000)
        assert len(await asyncio.to_thread(reader.read, 100)) == 100
        assert len(await asyncio.to_thread(reader.read, 100_000)) == 100_000
        await session.wait_complete()
        events = [event async for event in until_complete(session)]
    seeks = [event for event in events if isinstance(event, SeekServed)]
    assert [seek.offset for seek in seeks] == [3_000_000]
    assert seeks[0].seconds > 0
    holes = [event for event in events if isinstance(event, HoleFilled)]
    assert holes
    assert all(0 < hole.start < hole.stop <= len(long_song) for hole in holes)


async def until_complete(session: FileSession) -> AsyncIterator[FileEvent]:
    async for event in session.events():
        yield event
        if isinstance(event, Complete):
            return


@pytest.mark.parametrize("behaviour", [{"stall_after": 100_000}, {"stall_head": True}])
async def test_closing_wakes_whoever_waits_at_once(
    server: Server, source: Make, long_song: bytes, behaviour: Behaviour
) -> None:
    """One waits behind what arrived, one for a request elsewhere, one for all of it."""
    server.add("/a.mp3", long_song, script=[{"stall_after": 100_000}], **behaviour)
    session = await source(server.url("/a.mp3"), look_ahead=200_000).open()
    whole = asyncio.create_task(session.wait_complete())
    work = [Reading(piece(session, start, 500_000)) for start in (0, 0, 2_000_000)]
    await server.wait_for(lambda: len(server.requests) > 1)
    started = time.monotonic()
    await session.aclose()
    outcomes = [await reading.outcome() for reading in work]
    with pytest.raises(Cancelled):
        await whole
    assert time.monotonic() - started < PROMPT
    assert [type(outcome) for outcome in outcomes] == [Cancelled] * 3
    await session.aclose()
    assert isinstance(await Reading(piece(session, 0, 1)).outcome(), Cancelled)
    with pytest.raises(Cancelled):
        await session.wait_complete()


async def test_a_close_that_is_cancelled_again_and_again_closes_all(
    server: Server, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song, stall_after=100_000)
    session = await source(server.url("/a.mp3")).open()
    reading = Reading(piece(session, 0, 500_000))
    closing = asyncio.create_task(session.aclose())
    await asyncio.sleep(0)
    while not closing.done():
        closing.cancel()
        await asyncio.sleep(0)
    assert closing.cancelled()
    assert isinstance(await reading.outcome(), Cancelled)


async def test_closing_amid_reads_gives_bytes_or_cancelled(
    server: Server, source: Make, long_song: bytes
) -> None:
    """Whatever a reader is doing just then: never an error of the store, never wrong bytes."""
    server.add("/a.mp3", long_song)

    def through(session: FileSession) -> Callable[[], bytes]:
        def read() -> bytes:
            got = bytearray()
            with session.reader() as reader:
                while chunk := reader.read(1000):
                    got += chunk
                    assert long_song.startswith(chunk, len(got) - len(chunk))
            return bytes(got)

        return read

    for seen in range(0, 1_000_000, 50_000):
        session = await source(server.url("/a.mp3"), look_ahead=100_000).open()
        work = [Reading(through(session)) for _ in range(2)]
        events = session.events()
        while session.stats.bytes_received + session.stats.bytes_cached <= seen:
            await anext(events)
        await session.aclose()
        for reading in work:
            assert isinstance(await reading.outcome(), Cancelled)


async def test_closing_one_reader_leaves_the_others(
    server: Server, source: Make, song: bytes
) -> None:
    resource = server.add("/a.mp3", song, stall_after=5000)
    async with source(server.url("/a.mp3")) as session:
        closed, open_still = session.reader(), session.reader()
        first, second = Reading(closed.read), Reading(open_still.read)
        await server.wait_for(lambda: server.requests[0].sent == 5000)
        closed.close()
        assert isinstance(await first.outcome(), Cancelled | ValueError)
        resource.release()
        assert await second.outcome() == song


async def test_the_store_goes_first(
    server: Server, store: DiskAssetStore, source: Make, song: bytes
) -> None:
    server.add("/a.mp3", song, stall_after=5000)
    async with source(server.url("/a.mp3")) as session:
        reading = Reading(piece(session, 0, -1))
        store.close()
        assert isinstance(await reading.outcome(), ResourceClosed)
        with pytest.raises(ResourceClosed):
            await session.wait_complete()


async def test_paused_sessions_keep_no_other_file_of_the_host_waiting(
    server: Server, store: DiskAssetStore, long_song: bytes, nothing_left: None
) -> None:
    for number in range(4):
        server.add(f"/{number}.mp3", long_song)
    options = FileOptions(look_ahead=10_000)
    async with HttpClient(NetOptions(connections_per_host=2)) as net, AsyncExitStack() as sessions:
        async with asyncio.timeout(60):
            for number in range(4):
                url = server.url(f"/{number}.mp3")
                made = FileSource(url, store=store, net=net, options=options)
                session = await sessions.enter_async_context(made)
                assert await asyncio.to_thread(session.reader().read, 1000) == long_song[:1000]
    assert len(server.requests) == 4


async def test_two_sessions_of_one_url_at_the_same_time(
    server: Server, store: DiskAssetStore, source: Make, long_song: bytes
) -> None:
    server.add("/a.mp3", long_song)
    made = source(server.url("/a.mp3"))
    async with source(server.url("/a.mp3")) as one, made as two:
        work = [Reading(piece(session, 0, -1)) for session in (one, two)]
        for reading in work:
            assert await reading.outcome() == long_song
        await one.wait_complete()
        await two.wait_complete()
    assert (store.root / made.key.asset_root / made.key.rel_path).read_bytes() == long_song


def test_a_loop_that_ended_leaves_no_reader_waiting(
    tmp_path: object, store: DiskAssetStore, song: bytes
) -> None:
    """What asyncio.run finds unclosed it cancels: whoever reads in a thread must not hang."""
    sessions: list[FileSession] = []
    outcomes: list[BaseException] = []

    def read() -> None:
        try:
            sessions[0].reader().read()
        except Cancelled as error:
            outcomes.append(error)

    async def forgetful() -> threading.Thread:
        async with Server() as server, HttpClient() as net:
            server.add("/a.mp3", song, stall_after=5000)
            sessions.append(await FileSource(server.url("/a.mp3"), store=store, net=net).open())
            thread = threading.Thread(target=read)
            thread.start()
            planner = next(t for t in asyncio.all_tasks() if "Fetcher._run" in repr(t))
            planner.cancel()
            await asyncio.wait([planner])
            return thread

    thread = asyncio.run(forgetful())
    thread.join(5)
    assert [type(error) for error in outcomes] == [Cancelled]
    read()
    assert len(outcomes) == 2


async def test_a_full_disk_ends_nothing(
    server: Server, source: Make, store: DiskAssetStore, long_song: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    server.add("/a.mp3", long_song)
    room = 500_000

    def pwritev(fd: int, buffers: list[memoryview], offset: int) -> int:
        if offset > room:
            raise OSError(28, "No space left on device")
        return original(fd, buffers, offset)

    original = store._fs.pwritev
    monkeypatch.setattr(store._fs, "pwritev", pwritev)
    async with source(server.url("/a.mp3")) as session:
        with pytest.raises(DiskFull):  # it is here, but not kept
            await session.wait_complete()
        assert await asyncio.to_thread(piece(session, 0, len(long_song))) == long_song
        told = [event async for event in until_complete(session)]
        (degraded,) = (event for event in told if isinstance(event, CacheDegraded))
        assert isinstance(degraded.error, DiskFull)
        assert not any(isinstance(event, Failed) for event in told)
    assert len(server.requests) == 1
