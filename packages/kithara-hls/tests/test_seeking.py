import asyncio
import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from kithara_hls import HlsSource, SegmentComplete, SegmentLost, TimeSought
from kithara_net.testing import Server
from kithara_stream import Cancelled, Interrupted, Reader, TimedSource

Record = Callable[..., Any]
Open = Callable[..., HlsSource]


def recording(record: Record, *, count: int = 12, begin: int = 891_380, step: int = 230_000) -> Any:
    """Segments that are said to be 2.5 s long, and are 230,000/90,000 s."""
    made = record().use_key("k.key", explicit=False)
    for number in range(count):
        made.at(f"{number}.aac", begin + number * step, size=4000 + number)
    return made.publish()


def time_of(index: int, step: int = 230_000) -> Fraction:
    return Fraction(index * step, 90_000)


def rest(reader: Reader) -> bytes:
    return b"".join(span.read() for span in reader.spans())


def segments_asked(server: Server) -> list[str]:
    return [r.path.rpartition("/")[2] for r in server.requests if r.path.endswith(".aac")]


@pytest.mark.parametrize("where", [0.0, 5.0, 12.7, 27.5, 28.2, 1e6, -3.0])
async def test_a_seek_lands_at_or_before_the_time_by_the_container_s_clock(
    record: Record, source: Open, where: float
) -> None:
    made = recording(record)
    async with source(made.url) as session:
        events = session.events()
        reader = session.reader()
        assert isinstance(session.source(), TimedSource)
        landed = await asyncio.to_thread(reader.seek_time, where)
        index = min(11, max(0, int(Fraction(where) / time_of(1))))
        assert landed == time_of(index)
        assert await asyncio.to_thread(rest, reader) == b"".join(made.parts[index:])
        assert reader.duration is not None
        assert abs(reader.duration - float(time_of(11)) - 2.5) < 1e-6
    (sought,) = [event async for event in events if isinstance(event, TimeSought)]
    assert (sought.index, sought.landed) == (index, float(time_of(index)))


@pytest.mark.parametrize("gap", [False, True])
async def test_where_the_first_segment_is_lost_the_others_tell_the_time(
    record: Record, source: Open, server: Server, gap: bool
) -> None:
    made = recording(record)
    if gap:
        at = made.lines.index("0.aac")
        made.lines.insert(at, "#EXT-X-GAP")
        made.publish()
    made.resources["0.aac"].behaviour = {"status": 404}
    async with source(made.url) as session:
        reader = session.reader()
        first = await asyncio.to_thread(reader.seek_time, 12.6)
        assert first == Fraction("12.5")  # the playlist's own time: nothing tells another one
        landed = await asyncio.to_thread(reader.seek_time, 22.8)
        assert landed == first + time_of(4)
        assert await asyncio.to_thread(rest, reader) == b"".join(made.parts[9:])
    assert len(server.requests_for("/music/0.aac")) == (0 if gap else 1)


async def test_a_seek_fetches_what_is_wanted_and_nothing_else(
    record: Record, source: Open, server: Server
) -> None:
    made = recording(record, count=40)
    made.resources["2.aac"].behaviour = {"stall_after": 100}
    async with source(made.url, look_ahead=1) as session:
        reader = session.reader()
        assert await asyncio.to_thread(reader.read, 8001) == made.clear[:8001]
        blocked = asyncio.create_task(asyncio.to_thread(reader.read, 1))
        await server.wait_for(lambda: "2.aac" in segments_asked(server))
        reader.interrupt()
        with pytest.raises(Interrupted):
            await blocked
        reader.proceed()
        await asyncio.to_thread(reader.seek_time, 60.0)
        index = int(60 / time_of(1))
        offset = reader.tell()
        assert offset >= 8001
        assert await asyncio.to_thread(reader.read, 1000) == made.parts[index][:1000]
        await server.wait_for(lambda: server.connections <= 8)
        asked = segments_asked(server)
        assert asked[:3] == ["0.aac", "1.aac", "2.aac"]
        assert set(asked[3:]) <= {f"{index}.aac", f"{index + 1}.aac", f"{index - 1}.aac"}
        # Back to what is in the cache: no request at all.
        server.requests.clear()
        assert await asyncio.to_thread(reader.seek_time, 0.5) == 0
        assert await asyncio.to_thread(reader.read, 8001) == made.clear[:8001]
        assert "0.aac" not in segments_asked(server)


async def test_a_seek_before_anything_came_learns_where_the_clock_begins(
    record: Record, source: Open, server: Server
) -> None:
    made = recording(record)
    async with source(made.url, look_ahead=0) as session:
        reader = session.reader()
        assert await asyncio.to_thread(reader.seek_time, 20.0) == time_of(7)
        assert set(segments_asked(server)) <= {"0.aac", "7.aac", "8.aac"}
        assert await asyncio.to_thread(rest, reader) == b"".join(made.parts[7:])


async def test_seeking_again_and_again(record: Record, source: Open) -> None:
    made = recording(record, count=30)
    chance = random.Random(7)

    def play(reader: Reader) -> None:
        for _ in range(60):
            where = chance.uniform(0, 74)
            landed = reader.seek_time(where)
            assert landed is not None
            index = round(landed / time_of(1))
            assert landed == time_of(index) <= where
            size = chance.choice([0, 10, 5000, 20_000])
            got = (
                b"".join(span.read() for span, _ in zip(reader.spans(), range(1), strict=False))
                if size == 20_000
                else reader.read(size)
            )
            assert b"".join(made.parts[index:]).startswith(got)

    async with source(made.url, look_ahead=10_000) as session:
        await asyncio.to_thread(play, session.reader())


async def test_a_seek_that_waits_can_be_interrupted_and_only_the_last_counts(
    record: Record, source: Open, server: Server
) -> None:
    made = recording(record)
    made.resources["8.aac"].behaviour = {"stall_head": True}
    async with source(made.url, look_ahead=5000) as session:
        reader = session.reader()
        assert await asyncio.to_thread(reader.read, 100) == made.clear[:100]
        seeking = asyncio.create_task(asyncio.to_thread(reader.seek_time, 21.0))
        await server.wait_for(lambda: "8.aac" in segments_asked(server))
        reader.interrupt()
        with pytest.raises(Interrupted):
            await seeking
        with pytest.raises(Interrupted):
            await asyncio.to_thread(reader.seek_time, 21.0)
        reader.proceed()
        assert await asyncio.to_thread(reader.seek_time, 5.2) == time_of(2)
        assert await asyncio.to_thread(reader.read, 4002) == made.parts[2]
        seeking = asyncio.create_task(asyncio.to_thread(reader.seek_time, 21.0))
        await server.wait_for(lambda: segments_asked(server).count("8.aac") == 2)
        await session.aclose()
        with pytest.raises(Cancelled):
            await seeking
        with pytest.raises(Cancelled):
            await asyncio.to_thread(session.reader().seek_time, 1.0)


async def test_a_seek_goes_on_after_the_end_and_after_an_error(
    record: Record, source: Open
) -> None:
    made = recording(record)
    async with source(made.url) as session:
        reader = session.reader()
        assert await asyncio.to_thread(rest, reader) == made.clear
        assert await asyncio.to_thread(reader.seek_time, 26.0) == time_of(10)
        assert await asyncio.to_thread(rest, reader) == b"".join(made.parts[10:])
    made = recording(record)
    made = record("/other").use_key("k.key", explicit=False)
    for number in range(5):
        made.at(f"{number}.aac", number * 225_000)
    made.publish()
    made.resources["3.aac"].behaviour = {"status": 503}
    async with source(made.url) as session:
        reader = session.reader()
        with pytest.raises(SegmentLost):
            await asyncio.to_thread(rest, reader)
        assert await asyncio.to_thread(reader.seek_time, 5.1) == 5
        assert await asyncio.to_thread(reader.read, 5000) == made.parts[2]
        with pytest.raises(SegmentLost):
            await asyncio.to_thread(reader.seek_time, 8.0)
        made.resources["3.aac"].behaviour = {}
        assert await asyncio.to_thread(reader.seek_time, 8.0) == Fraction(15, 2)
        assert await asyncio.to_thread(rest, reader) == b"".join(made.parts[3:])
        await session.wait_complete()


async def test_spans_tell_their_clock_and_their_time(record: Record, source: Open) -> None:
    made = record()
    made.at("0.aac", 2**33 - 100_000).at("1.aac", 125_000).discontinuity()
    made.at("2.aac", 5_000_000).at("3.aac", 5_225_000).publish()
    async with source(made.url) as session:
        reader = session.reader()
        told = await asyncio.to_thread(
            lambda: [(span.timeline, span.seconds, len(span.read())) for span in reader.spans()]
        )
        assert told == [(0, Fraction(0), 10_000), (1, Fraction(5), 10_000)]
        assert await asyncio.to_thread(reader.seek_time, 2.6) == Fraction(5, 2)
        assert await asyncio.to_thread(reader.seek_time, 9.0) == Fraction(15, 2)
        assert await asyncio.to_thread(lambda: next(reader.spans()).timeline) == 1


async def test_without_timestamps_the_playlist_tells_the_time(record: Record, source: Open) -> None:
    made = record().use_init("i.mp4")
    for number in range(8):
        made.segment(f"{number}.m4s")
    made.publish()
    async with source(made.url, look_ahead=0) as session:
        reader = session.reader()
        assert await asyncio.to_thread(reader.seek_time, 11.0) == 10
        assert await asyncio.to_thread(rest, reader) == made.init + b"".join(made.parts[5:])


async def test_a_switch_and_a_seek_share_the_clock(
    record: Record, source: Open, server: Server
) -> None:
    made = [record(f"/{number}", seed=number) for number in range(2)]
    for shift, variant in enumerate(made):
        for number in range(10):
            variant.at(f"{number}.aac", 500_000 + number * 180_000 + shift * 0, seconds=2)
        variant.publish()
    lines = [f"#EXT-X-STREAM-INF:BANDWIDTH={i + 1}\n/{i}/list.m3u8" for i in range(2)]
    server.add("/master.m3u8", "\n".join(["#EXTM3U", *lines]).encode())
    async with source(server.url("/master.m3u8"), variant=0, look_ahead=0) as session:
        reader = session.reader()
        assert await asyncio.to_thread(reader.read, 100) == made[0].parts[0][:100]
        session.select_variant(1)
        assert await asyncio.to_thread(reader.seek_time, 7.0) == 6
        assert await asyncio.to_thread(rest, reader) == b"".join(made[1].parts[3:])


async def test_segments_that_come_before_the_first_of_a_span_do_not_tell_when_it_is_heard(
    record: Record, source: Open, server: Server
) -> None:
    made = record().at("0.aac", 0).discontinuity()
    for number in range(1, 5):
        made.at(f"{number}.aac", number * 230_000)
    made.publish()
    made.resources["1.aac"].behaviour = {"stall_after": 20}
    async with source(made.url) as session:
        view = session.source()
        whole = asyncio.create_task(session.wait_complete())  # several segments at once
        span = asyncio.create_task(asyncio.to_thread(view.span_at, len(made.parts[0])))
        await server.wait_for(lambda: any(r.finished for r in server.requests_for("/music/2.aac")))
        made.resources["1.aac"].release()
        found = await span
        await whole
        assert found is not None
        assert (found.timeline, found.seconds) == (1, Fraction(5, 2))


async def test_a_seek_waits_for_an_init_section_that_comes_last(
    record: Record, source: Open
) -> None:
    made = record().segment("0.m4s").discontinuity().use_init("i.mp4")
    made.segment("1.m4s").segment("2.m4s").publish()
    made.resources["i.mp4"].behaviour = {"stall_head": True}
    async with source(made.url, look_ahead=0) as session:
        events = session.events()
        seeking = asyncio.create_task(asyncio.to_thread(session.reader().seek_time, 6.0))
        async for event in events:
            if isinstance(event, SegmentComplete) and event.index == 1:
                break
        made.resources["i.mp4"].release()
        async with asyncio.timeout(10):
            assert await seeking == 5
