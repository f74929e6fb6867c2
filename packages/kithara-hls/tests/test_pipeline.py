import asyncio
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from kithara_hls import (
    FailedOver,
    HlsSource,
    SegmentComplete,
    SegmentLost,
    SegmentRetried,
    SegmentSkipped,
    VariantApplied,
    VariantSelected,
)
from kithara_hls._abr_protocol import AbrSettings
from kithara_net import HttpClient, RetryPolicy, UnexpectedStatus
from kithara_net.testing import Behaviour, Server
from kithara_stream import Reader

Record = Callable[..., Any]
Open = Callable[..., HlsSource]

TWO_TRIES = RetryPolicy(max_retries=2, base_delay=0)
NAMES = ["1.ts", "2.ts", "3.ts", "4.ts"]


def ladder(server: Server, *folders: str, bandwidths: tuple[int, ...] = (100, 200, 300)) -> str:
    lines = ["#EXTM3U"]
    for folder, bandwidth in zip(folders, bandwidths, strict=False):
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={bandwidth}", f"{folder}/list.m3u8"]
    server.add("/master.m3u8", "\n".join(lines).encode())
    return server.url("/master.m3u8")


def read_spans(reader: Reader) -> list[bytes]:
    with reader:
        return [span.read() for span in reader.spans()]


def paths(server: Server) -> list[str]:
    return [request.path for request in server.requests]


# -- in parallel -------------------------------------------------------------------------------


async def test_init_key_and_segment_are_asked_for_at_once(
    record: Record, source: Open, server: Server
) -> None:
    made = record().use_init("i.mp4").use_key("k.key", explicit=True).segment("1.m4s").publish()
    for name in ("i.mp4", "k.key", "1.m4s"):
        made.resources[name].behaviour = {"stall_head": True}
    async with source(made.url) as session:
        await server.wait_for(lambda: len(server.requests) == 4)
        for resource in made.resources.values():
            resource.release()
        assert await asyncio.to_thread(session.reader().read) == made.clear


async def test_no_more_than_so_many_segments_at_once_and_in_order(
    record: Record, source: Open, server: Server
) -> None:
    made = record()
    for number in range(9):
        made.segment(f"{number}.ts", 3000 + number)
    made.publish()
    for number in range(9):
        made.resources[f"{number}.ts"].behaviour = {"stall_after": 100}
    async with source(made.url, parallel=3) as session:
        whole = asyncio.create_task(session.wait_complete())
        await server.wait_for(lambda: len(server.requests) == 4)
        for number in (2, 1, 0, 3, 4, 5, 6, 7, 8):
            assert len(server.requests) <= 1 + 3 + number
            made.resources[f"{number}.ts"].release()
        await whole
        assert await asyncio.to_thread(session.reader().read) == made.clear


async def test_seconds_bound_what_is_read_ahead_too(
    record: Record, source: Open, server: Server, net: HttpClient
) -> None:
    server.add("/other", b"x")
    made = record()
    for number in range(12):
        made.segment(f"{number}.ts", 1000, seconds=10)
    made.publish()
    async with source(made.url, abr=AbrSettings(buffer_goal=30)) as session:
        reader = session.reader()
        async for event in session.events():
            if isinstance(event, SegmentComplete) and event.index == 2:
                break
        await net.get_bytes(server.url("/other"))  # it comes behind whatever was asked for
        assert "/music/3.ts" not in paths(server)
        assert await asyncio.to_thread(reader.read, 1500) == made.clear[:1500]
        await server.wait_for(lambda: "/music/3.ts" in paths(server))
        assert await asyncio.to_thread(reader.read, 1500) == made.clear[1500:3000]
        await server.wait_for(lambda: "/music/5.ts" in paths(server))
        assert await asyncio.to_thread(reader.read) == made.clear[3000:]


# -- again, and from elsewhere -----------------------------------------------------------------


async def test_a_segment_that_comes_at_the_third_try(
    record: Record, source: Open, server: Server
) -> None:
    made = record().segment("1.ts").segment("2.ts").segment("3.ts").publish()
    made.resources["2.ts"].script = [{"status": 404}, {"status": 503}]
    async with source(made.url, retry=TWO_TRIES) as session:
        events = session.events()
        assert await asyncio.to_thread(session.reader().read) == made.clear
    retried = [event async for event in events if isinstance(event, SegmentRetried)]
    assert [event.index for event in retried] == [1, 1]
    assert len(server.requests_for("/music/2.ts")) == 3


@pytest.mark.parametrize("etag", [None, ""])
async def test_a_body_that_breaks_goes_on_where_it_broke(
    record: Record, source: Open, server: Server, etag: str | None
) -> None:
    made = record().use_key("k", explicit=True).segment("1.ts", 50_000).publish()
    behaviour: dict[str, Any] = {} if etag is None else {"new_etag": "", "new_last_modified": ""}
    made.resources["1.ts"].behaviour = behaviour
    made.resources["1.ts"].script = [
        {"cut_after": 20_008, **behaviour},
        {"cut_after": 9, **behaviour},
    ]
    async with source(made.url, retry=TWO_TRIES) as session:
        assert await asyncio.to_thread(session.reader().read) == made.clear
    asked = [r.byte_range.start if r.byte_range else 0 for r in server.requests_for("/music/1.ts")]
    assert asked == ([0, 20_008, 20_017] if etag is None else [0, 0, 0])
    assert session.stats.retries == 2
    assert session.stats.time_to_first_byte is not None


async def test_a_body_that_begins_anew_breaks_while_it_is_read(
    record: Record, source: Open, server: Server
) -> None:
    made = record().segment("1.ts", 50_000).publish()
    segment = made.resources["1.ts"]
    segment.behaviour = {"new_etag": "", "new_last_modified": ""}
    segment.script = [
        {"stall_after": 9, "cut_after": 20_008, **segment.behaviour},
        {"cut_after": 9, **segment.behaviour},
    ]
    async with source(made.url, retry=TWO_TRIES) as session:
        reader = session.reader()
        assert await asyncio.to_thread(reader.read, 9) == made.clear[:9]
        segment.release()
        assert await asyncio.to_thread(reader.read) == made.clear[9:]
    assert [request.byte_range for request in server.requests_for("/music/1.ts")] == [None] * 3


@pytest.mark.parametrize("etag", [None, ""])
async def test_a_server_that_tells_more_than_there_is_costs_nothing(
    record: Record, source: Open, server: Server, etag: str | None
) -> None:
    made = record().segment("1.ts", 50_000).segment("2.ts").publish()
    lies: Behaviour = {"content_length": 50_010, "close": True}
    hides: Behaviour = {} if etag is None else {"new_etag": "", "new_last_modified": ""}
    resource = made.resources["1.ts"]
    resource.script = [{**lies, **hides}] * (1 if etag is None else 2)
    async with source(made.url, retry=TWO_TRIES) as session:
        assert await asyncio.to_thread(session.reader().read) == made.clear
    requests = server.requests_for("/music/1.ts")
    asked = [r.byte_range.start if r.byte_range else 0 for r in requests]
    assert asked == ([0, 50_000] if etag is None else [0, 0, 50_000])
    assert requests[-1].status == 416
    async with source(made.url, offline=True) as session:
        assert await asyncio.to_thread(session.reader().read) == made.clear


async def test_a_broken_body_of_untold_length_goes_on_once_it_is_told(
    record: Record, source: Open, server: Server
) -> None:
    made = record().segment("1.ts", 3000).publish()
    made.resources["1.ts"].script = [{"chunked": True, "cut_after": 2000}]
    async with source(made.url, retry=TWO_TRIES) as session:
        assert await asyncio.to_thread(session.reader().read) == made.clear
    requests = server.requests_for("/music/1.ts")
    assert [r.byte_range.start if r.byte_range else 0 for r in requests] == [0, 2000]


async def test_a_lost_segment_is_named(record: Record, source: Open) -> None:
    made = record().segment("1.ts").segment("2.ts").segment("3.ts").publish()
    made.resources["2.ts"].behaviour = {"status": 404}
    async with source(made.url, retry=TWO_TRIES) as session:
        reader = session.reader()
        assert await asyncio.to_thread(reader.read, 5000) == made.parts[0]
        with pytest.raises(SegmentLost, match=r"segment 1 \(2.5 to 5 s\)") as caught:
            await asyncio.to_thread(reader.read)
    assert isinstance(caught.value.__cause__, UnexpectedStatus)
    assert str(caught.value).endswith(f"the last try: {caught.value.__cause__}")


@pytest.mark.parametrize("gap", [False, True])
async def test_what_is_lost_can_be_left_out_and_is_told(
    record: Record, source: Open, server: Server, gap: bool
) -> None:
    made = record().segment("1.ts").segment("2.ts")
    if gap:
        made.lines.insert(-2, "#EXT-X-GAP")
    made.segment("3.ts").publish()
    made.resources["2.ts"].behaviour = {"status": 404}
    async with source(made.url, lost="silence") as session:
        events = session.events()
        reader = session.reader()
        first = await asyncio.to_thread(session.source().span_at, 0)
        spans = await asyncio.to_thread(read_spans, reader)
        second = await asyncio.to_thread(session.source().span_at, 5000)
    assert spans == [made.parts[0], made.parts[2]]
    assert first is not None
    assert second is not None
    assert (second.seconds, second.timeline) == (None, first.timeline)  # no segment tells its time
    assert (first.silence, second.silence) == (Fraction(0), Fraction(5, 2))
    (skipped,) = [event async for event in events if isinstance(event, SegmentSkipped)]
    assert (skipped.index, skipped.start, skipped.duration) == (1, 2.5, 2.5)
    assert len(server.requests_for("/music/2.ts")) == (0 if gap else 1)


async def test_what_is_lost_in_the_shorter_variant_is_not_gone_back_to(
    record: Record, source: Open, server: Server
) -> None:
    made = [record(folder, seed=1).segment("1.ts").segment("2.ts") for folder in ("/a", "/b")]
    made[1].segment("3.ts")
    for each in made:
        each.publish().resources["2.ts"].behaviour = {"status": 404}
    made[1].resources["3.ts"].behaviour = {"status": 404}
    async with source(ladder(server, "/a", "/b"), variant=0, lost="silence") as session:
        events = session.events()
        async with asyncio.timeout(10):
            spans = await asyncio.to_thread(read_spans, session.reader())
    assert spans == [made[0].parts[0]]
    assert len([event async for event in events if isinstance(event, SegmentSkipped)]) <= 2


async def test_a_long_segment_comes_behind_one_that_is_left_out(
    record: Record, source: Open
) -> None:
    """Longer than what is read ahead, and what is lost is never heard."""
    made = record().segment("1.ts").segment("2.ts", seconds=300).publish()
    made.resources["1.ts"].behaviour = {"status": 404}
    async with source(made.url, lost="silence") as session, asyncio.timeout(10):
        reader = session.reader()
        await asyncio.to_thread(reader.seek_time, 1.0)
        assert await asyncio.to_thread(reader.read) == made.parts[1]


async def test_a_gap_is_an_error_unless_another_variant_has_it(
    record: Record, source: Open, server: Server
) -> None:
    made = record().segment("1.ts")
    made.lines.append("#EXT-X-GAP")
    made.segment("2.ts").publish()
    async with source(made.url) as session:
        with pytest.raises(SegmentLost, match="EXT-X-GAP"):
            await session.wait_complete()
    other = record("/other", seed=2).segment("1.ts").segment("2.ts").publish()
    url = ladder(server, "/other", "/music")
    async with source(url, variant="best") as session:
        assert await asyncio.to_thread(session.reader().read) == made.parts[0] + other.parts[1]
    assert server.requests_for("/music/2.ts") == []


@pytest.mark.parametrize("where", ["list.m3u8", "1.ts", "3.ts"])
async def test_a_failing_variant_is_left_for_another_at_the_same_time(
    record: Record, source: Open, server: Server, where: str
) -> None:
    low, high = record("/low", seed=1), record("/high", seed=2)
    for name in NAMES:
        low.segment(name)
        high.segment(name)
    low.publish()
    high.publish()
    high.resources[where].behaviour = {"status": 403}
    async with source(ladder(server, "/low", "/high"), variant="best") as session:
        events = session.events()
        spans = await asyncio.to_thread(read_spans, session.reader())
    failed = 2 if where == "3.ts" else 0
    expected = [high.parts[:failed], low.parts[failed:]]
    assert spans == [b"".join(parts) for parts in expected if parts]
    seen = [event async for event in events]
    (over,) = [event for event in seen if isinstance(event, FailedOver)]
    assert (over.variant, over.index, over.excluded_for) == (1, failed, 60)
    chosen = [event for event in seen if isinstance(event, VariantSelected)]
    assert [event.variant.index for event in chosen] == ([1, 0] if where != "list.m3u8" else [0])
    there = {(e.index, e.variant) for e in seen if isinstance(e, SegmentComplete)}
    assert there >= {(index, int(index < failed)) for index in range(4)}
    assert [e.variant.index for e in seen if isinstance(e, VariantApplied)] == (
        [1, 0] if failed else [0]
    )
    assert len([p for p in paths(server) if p.startswith("/high/")]) <= 5


@pytest.mark.parametrize("variant", ["best", "auto"])
async def test_what_a_variant_that_failed_before_still_has_is_not_lost(
    record: Record, source: Open, server: Server, variant: str
) -> None:
    low, high = record("/low", seed=1), record("/high", seed=2)
    for made, missing in ((low, ["3.ts", "4.ts"]), (high, ["2.ts", "4.ts"])):
        for name in NAMES:
            made.segment(name)
        made.publish()
        for name in missing:
            made.resources[name].behaviour = {"status": 404}
    async with source(ladder(server, "/low", "/high"), variant=variant) as session:
        reader = session.reader()
        heard = await asyncio.to_thread(reader.read, 3 * 5000)
        with pytest.raises(SegmentLost) as caught:
            await asyncio.to_thread(reader.read)
    assert heard[:5000] in (low.parts[0], high.parts[0])
    assert heard[5000:] == low.parts[1] + high.parts[2]
    assert caught.value.index == 3


async def test_a_body_that_breaks_in_the_midst_is_joined_by_another_variant(
    record: Record, source: Open, server: Server
) -> None:
    low, high = record("/low", seed=1), record("/high", seed=2)
    for name in NAMES:
        low.segment(name)
        high.segment(name)
    low.publish()
    high.publish()
    high.resources["2.ts"].script = [{"stall_after": 2000, "cut_after": 3000}]
    high.resources["2.ts"].behaviour = {"status": 500}
    async with source(ladder(server, "/low", "/high"), variant="best") as session:
        reader = session.reader()
        heard = await asyncio.to_thread(reader.read, 7000)
        blocked = asyncio.create_task(asyncio.to_thread(reader.read, 1))
        high.resources["2.ts"].release()
        heard += await blocked
        heard += await asyncio.to_thread(reader.read)
    kept = len(heard) - 4 * 5000  # of what came before it broke
    assert 2000 <= kept <= 3000
    assert heard == b"".join([high.parts[0], high.parts[1][:kept], *low.parts[1:]])


async def test_the_twin_of_a_variant_is_asked_first(
    record: Record, source: Open, server: Server
) -> None:
    folders = ["/a", "/b", "/c"]
    made = {folder: record(folder, seed=i) for i, folder in enumerate(folders)}
    for recording in made.values():
        recording.segment("1.ts").segment("2.ts").publish()
    made["/a"].resources["2.ts"].behaviour = {"status": 404}
    lines = ["#EXTM3U"]
    for folder, codec in zip(folders, ("mp4a.40.2", "mp4a.40.5", "mp4a.40.2"), strict=True):
        lines += [f'#EXT-X-STREAM-INF:BANDWIDTH=300,CODECS="{codec}"', f"{folder}/list.m3u8"]
    server.add("/twins.m3u8", "\n".join(lines).encode())
    async with source(server.url("/twins.m3u8"), variant=0) as session:
        spans = await asyncio.to_thread(read_spans, session.reader())
    assert spans == [made["/a"].parts[0], made["/c"].parts[1]]


# -- variants, while it plays ------------------------------------------------------------------


async def test_a_variant_selected_while_it_plays_begins_at_the_next_segment(
    record: Record, source: Open, server: Server
) -> None:
    low, high = record("/low", seed=1), record("/high", seed=2)
    for name in NAMES:
        low.use_init(f"i{name}") if name == "1.ts" else None
        high.use_init(f"i{name}") if name == "1.ts" else None
        low.segment(name)
        high.segment(name)
    low.publish()
    high.publish()
    async with source(ladder(server, "/low", "/high"), variant=0) as session:
        events = session.events()
        await session.wait_complete()  # all of it was laid before
        reader = session.reader()
        heard = await asyncio.to_thread(reader.read, 700 + 5000 + 100)
        session.select_variant(1)
        spans = await asyncio.to_thread(read_spans, session.reader())
        assert session.variant.index == 1
    assert spans == [
        b"".join(low.parts[:3]),
        b"".join([high.init, *high.parts[3:]]),
    ]
    assert spans[0].startswith(heard)
    seen = [event async for event in events]
    chosen = [(e.variant.index, e.reason, e.index) for e in seen if isinstance(e, VariantSelected)]
    assert chosen == [(0, "start", 0), (1, "manual", 2)]
    applied = [(e.variant.index, e.index) for e in seen if isinstance(e, VariantApplied)]
    assert applied == [(0, 0), (1, 2)]


async def test_switching_at_every_segment(record: Record, source: Open, server: Server) -> None:
    made = [record(f"/{number}", seed=number) for number in range(3)]
    for recording in made:
        for number in range(12):
            recording.segment(f"{number}.ts", 1000 + recording.rng.randrange(500))
        recording.publish()
    url = ladder(server, "/0", "/1", "/2")
    async with source(url, variant=0, look_ahead=0) as session:
        heard = []

        def play() -> None:
            with session.reader() as reader:
                for number, span in enumerate(reader.spans()):
                    heard.append(span.read(1000))
                    done = asyncio.run_coroutine_threadsafe(select((number + 1) % 3), loop)
                    done.result()
                    heard[-1] += span.read()

        async def select(index: int) -> None:
            session.select_variant(index)

        loop = asyncio.get_running_loop()
        await asyncio.to_thread(play)
    assert heard == [made[number % 3].parts[number] for number in range(12)]


async def test_a_segment_is_lost_although_one_behind_it_was_lost_before(
    record: Record, source: Open, server: Server
) -> None:
    made = record().segment("1.ts").segment("2.ts").publish()
    made.resources["1.ts"].behaviour = {"status": 404, "stall_head": True}
    made.resources["2.ts"].behaviour = {"status": 404}
    async with source(made.url) as session:
        complete = asyncio.create_task(session.wait_complete())  # both at once
        await server.wait_for(lambda: any(r.finished for r in server.requests_for("/music/2.ts")))
        made.resources["1.ts"].release()
        with pytest.raises(SegmentLost) as caught:
            async with asyncio.timeout(10):
                await complete
    assert caught.value.index == 0
