import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kithara_storage import DiskWriter, ResourceStatus, StreamingResource
from kithara_stream import BodyEnded, Cancelled, Fetcher, OriginBody, _fetcher
from kithara_stream._link import Link

DATA = random.Random(1).randbytes(1_000_000)
CHUNK = 10_000


@dataclass
class Head:
    start: int
    total: int | None
    accepts_ranges: bool


@dataclass
class Body:
    origin: "Scripted"
    head: Head
    stop: int

    async def __aiter__(self) -> AsyncIterator[bytes]:
        origin, offset = self.origin, self.head.start
        while offset < self.stop:
            if origin.gate is not None and offset >= origin.gate_at:
                await origin.gate.wait()
            if offset in origin.breaks:
                raise origin.breaks.pop(offset)
            chunk = DATA[offset : min(offset + CHUNK, self.stop)]
            offset += len(chunk)
            origin.sent += len(chunk)
            origin.progressed()
            yield chunk


@dataclass
class Scripted:
    """An origin in memory that records what was asked and can be told to misbehave."""

    ranges: bool = True
    announced: bool | None = None
    latency: int = 0
    total_known: bool = True
    promised: int = len(DATA)
    gate: asyncio.Event | None = None
    gate_at: int = 0
    breaks: dict[int, Exception] = field(default_factory=dict)
    refuses: Exception | None = None
    asked: list[tuple[int, int | None]] = field(default_factory=list)
    sent: int = 0
    open_now: int = 0
    watchers: list[tuple[Callable[[], bool], asyncio.Event]] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, start: int, stop: int | None) -> AsyncIterator[OriginBody]:
        self.asked.append((start, stop))
        self.progressed()
        if self.refuses is not None:
            raise self.refuses
        for _ in range(self.latency):
            await asyncio.sleep(0)
        if not self.ranges:
            start, stop = 0, None
        self.open_now += 1
        try:
            total = self.promised if self.total_known else None
            end = min(stop or len(DATA), len(DATA))
            announced = self.ranges if self.announced is None else self.announced
            yield Body(self, Head(start, total, announced), end)
        finally:
            self.open_now -= 1
            self.progressed()

    def progressed(self) -> None:
        for condition, event in self.watchers:
            if condition():
                event.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        event = asyncio.Event()
        self.watchers.append((condition, event))
        if not condition():
            async with asyncio.timeout(10):
                await event.wait()


@pytest.fixture
def resource(tmp_path: Path) -> Iterator[StreamingResource]:
    with DiskWriter() as writer:
        resource = StreamingResource.open(tmp_path / "file", writer)
        yield resource
        resource.close()


async def settle() -> None:
    """Let everything on the loop that can run, run."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_linear_reading_is_one_request(resource: StreamingResource) -> None:
    origin = Scripted()
    async with Fetcher(origin, resource, look_ahead=100_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        got = bytearray()
        while await resource.wait_range_async(len(got), len(got) + 1) == "ready":
            got += resource.read_at(len(got), 50_000)
            cursor.advance(len(got))
        await fetcher.wait_complete()
    assert bytes(got) == DATA
    assert origin.asked == [(0, None)]
    assert resource.status is ResourceStatus.COMPLETE
    assert fetcher.stats.bytes_received == len(DATA)


async def test_all_fetchers_of_a_loop_hand_over_few_pieces_in_each_round(tmp_path: Path) -> None:
    """However many have one: hundreds of them would hold the loop for long."""
    handed = most = 0

    def begin_round() -> None:
        nonlocal handed
        handed = 0

    class Counting(StreamingResource):
        async def write_at(self, offset: int, data: bytes) -> None:
            nonlocal handed, most
            handed += 1
            most = max(most, handed)
            asyncio.get_running_loop().call_soon(begin_round)
            await super().write_at(offset, data)

    async def fetch(path: Path, writer: DiskWriter) -> None:
        with Counting.open(path, writer) as resource:
            async with Fetcher(Scripted(), resource) as fetcher:
                await fetcher.start()
                await fetcher.wait_complete()

    with DiskWriter() as writer:
        await asyncio.gather(*(fetch(tmp_path / str(number), writer) for number in range(10)))
    assert most <= 2  # one whose turn came, and one that came when nobody waited any more


async def test_read_ahead_is_bounded_until_the_reader_moves(resource: StreamingResource) -> None:
    origin = Scripted()
    async with Fetcher(origin, resource, look_ahead=100_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        await origin.until(lambda: origin.sent >= 100_000)
        await settle()
        assert origin.sent == 100_000
        cursor.advance(50_000)
        await settle()
        assert origin.sent == 150_000


async def test_a_small_advance_does_not_wake_the_planner(resource: StreamingResource) -> None:
    origin = Scripted()
    async with Fetcher(origin, resource, look_ahead=100_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        await origin.until(lambda: origin.sent >= 100_000)
        await settle()
        cursor.advance(1_000)
        await settle()
        assert origin.sent == 100_000


async def test_only_bytes_that_were_waited_for_measure_the_link(
    resource: StreamingResource,
) -> None:
    """Not the first of a body, which came with its head, nor the first after it was held back."""
    sizes: list[int] = []

    class Recorded(Link):
        def received(self, size: int, seconds: float) -> None:
            sizes.append(size)

    origin = Scripted()
    async with Fetcher(origin, resource, look_ahead=100_000) as fetcher:
        fetcher._link = Recorded()
        await fetcher.start()
        cursor = fetcher.cursor()
        await origin.until(lambda: origin.sent >= 100_000)
        await settle()
        assert sizes == [CHUNK] * 9
        cursor.advance(50_000)
        await settle()
        assert sizes == [CHUNK] * (9 + 4)


async def test_a_reader_may_leave_before_the_start(resource: StreamingResource) -> None:
    origin = Scripted()
    async with Fetcher(origin, resource) as fetcher:
        fetcher.cursor().close()
        await fetcher.start()
    assert origin.asked == [(0, None)]


async def test_a_far_seek_is_one_more_request_right_there(resource: StreamingResource) -> None:
    origin = Scripted()
    async with Fetcher(origin, resource, look_ahead=50_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        await origin.until(lambda: origin.sent >= 50_000)
        cursor.need(500_123)
        assert await resource.wait_range_async(500_123, 500_124) == "ready"
        assert resource.read_at(500_123, 5) == DATA[500_123:500_128]
    assert origin.asked == [(0, None), (500_123, None)]


async def test_a_short_skip_is_read_through(resource: StreamingResource) -> None:
    origin = Scripted()
    async with Fetcher(origin, resource, look_ahead=50_000, read_through=30_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        await origin.until(lambda: origin.sent >= 50_000)
        cursor.need(79_000)
        assert await resource.wait_range_async(79_000, 79_001) == "ready"
    assert origin.asked == [(0, None)]


async def test_a_look_at_the_tail_does_not_cost_the_head(resource: StreamingResource) -> None:
    origin = Scripted()
    tail = len(DATA) - 128
    async with Fetcher(origin, resource, look_ahead=50_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        await origin.until(lambda: origin.sent >= 50_000)
        cursor.need(tail)
        await resource.wait_range_async(tail, len(DATA))
        cursor.advance(len(DATA))
        cursor.advance(0)
        offset = 0
        while await resource.wait_range_async(offset, offset + 1) == "ready":
            offset += len(resource.read_at(offset, 50_000))
            cursor.advance(offset)
        await fetcher.wait_complete()
    assert origin.asked == [(0, None), (tail, None)]
    assert (resource.path).read_bytes() == DATA


async def test_a_third_place_gives_up_the_idle_request(resource: StreamingResource) -> None:
    origin = Scripted()
    async with Fetcher(origin, resource, look_ahead=20_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        for offset in (300_000, 600_000, 900_000):
            cursor.need(offset)
            await resource.wait_range_async(offset, offset + 1)
        await settle()
        assert origin.open_now == 2
    assert [start for start, _ in origin.asked] == [0, 300_000, 600_000, 900_000]
    assert origin.open_now == 0


async def test_two_readers_are_both_served(resource: StreamingResource) -> None:
    origin = Scripted()
    async with Fetcher(origin, resource, look_ahead=100_000) as fetcher:
        await fetcher.start()
        near, far = fetcher.cursor(), fetcher.cursor()
        near.advance(0)
        far.need(700_000)
        await resource.wait_range_async(700_000, 800_000)
        await resource.wait_range_async(0, 100_000)
        far.close()
        near.need(100_000)
        await resource.wait_range_async(100_000, 150_000)
    assert [start for start, _ in origin.asked] == [0, 700_000]


async def test_wait_complete_fills_every_hole_once(resource: StreamingResource) -> None:
    origin = Scripted()
    async with Fetcher(origin, resource, look_ahead=30_000, read_through=10_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        for offset in (400_000, 200_000):
            cursor.need(offset)
            await resource.wait_range_async(offset, offset + 1)
        await fetcher.wait_complete()
    assert resource.path.read_bytes() == DATA
    assert origin.sent <= len(DATA) + 3 * 10_000 + 3 * CHUNK


async def test_a_request_ends_where_another_one_goes_on(resource: StreamingResource) -> None:
    """However much it might read through rather than ask anew: nothing is missing behind."""
    origin = Scripted()
    async with Fetcher(origin, resource, look_ahead=50_000, read_through=200_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        await origin.until(lambda: origin.sent >= 50_000)
        cursor.need(600_000)
        await resource.wait_range_async(600_000, 650_000)
        await fetcher.wait_complete()
    assert origin.asked == [(0, None), (600_000, None)]
    assert origin.sent == len(DATA)


async def test_a_request_ends_where_all_the_rest_is_here(resource: StreamingResource) -> None:
    origin = Scripted()
    async with Fetcher(origin, resource, look_ahead=50_000, read_through=200_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        await origin.until(lambda: origin.sent >= 50_000)
        cursor.need(960_000)
        await resource.wait_range_async(960_000, len(DATA))
        await fetcher.wait_complete()
    assert origin.asked == [(0, None), (960_000, None)]
    assert origin.sent == len(DATA)


async def test_small_holes_are_filled_without_being_asked(resource: StreamingResource) -> None:
    origin = Scripted()
    async with Fetcher(origin, resource, look_ahead=300_000, read_through=1_000) as fetcher:
        await fetcher.start()
        await origin.until(lambda: origin.sent >= 300_000)
        cursor = fetcher.cursor()
        cursor.need(500_000)
        offset = 500_000
        while await resource.wait_range_async(offset, offset + 1) == "ready":
            offset += len(resource.read_at(offset, 50_000))
            cursor.advance(offset)
        assert await fetcher.ended() is None
    assert resource.path.read_bytes() == DATA


@pytest.mark.parametrize("total_known", [True, False])
async def test_without_ranges_everything_comes_in_order(
    resource: StreamingResource, total_known: bool
) -> None:
    origin = Scripted(ranges=False, total_known=total_known)
    async with Fetcher(origin, resource, look_ahead=50_000, read_through=1_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        cursor.need(600_000)
        assert await resource.wait_range_async(600_000, 600_001) == "ready"
        await fetcher.wait_complete()
    assert origin.asked == [(0, None)]
    assert resource.path.read_bytes() == DATA


async def test_an_unknown_length_is_proven_by_the_end_of_the_body(
    resource: StreamingResource,
) -> None:
    async with Fetcher(Scripted(total_known=False), resource) as fetcher:
        await fetcher.start()
        assert await resource.wait_range_async(len(DATA), len(DATA) + 1) == "eof"
        assert await fetcher.ended() is None
    assert resource.path.read_bytes() == DATA


async def test_the_error_of_the_first_request_comes_from_start(
    resource: StreamingResource,
) -> None:
    error = ZeroDivisionError("refused")
    async with Fetcher(Scripted(refuses=error), resource) as fetcher:
        with pytest.raises(ZeroDivisionError) as caught:
            await fetcher.start()
        assert caught.value is error
        assert await fetcher.ended() is error


async def test_an_error_on_the_way_reaches_readers_as_it_is(resource: StreamingResource) -> None:
    error = ZeroDivisionError("reset")
    async with Fetcher(Scripted(breaks={200_000: error}), resource) as fetcher:
        await fetcher.start()
        with pytest.raises(ZeroDivisionError) as caught:
            await resource.wait_range_async(200_000, 200_001)
        assert caught.value is error
        assert await resource.wait_range_async(0, 200_000) == "ready"
        with pytest.raises(ZeroDivisionError):
            await fetcher.wait_complete()


async def test_a_request_that_nobody_needs_may_break(resource: StreamingResource) -> None:
    origin = Scripted(breaks={50_000: ZeroDivisionError("idle")}, gate=asyncio.Event())
    origin.gate_at = 50_000
    async with Fetcher(origin, resource, look_ahead=60_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        await origin.until(lambda: origin.sent >= 50_000)
        cursor.need(600_000)
        await origin.until(lambda: len(origin.asked) == 2)
        await settle()
        assert origin.gate is not None
        origin.gate.set()
        assert await resource.wait_range_async(600_000, 600_001) == "ready"
        cursor.need(50_000)
        assert await resource.wait_range_async(50_000, 50_001) == "ready"
    assert [start for start, _ in origin.asked] == [0, 600_000, 50_000]


async def test_a_request_that_broke_while_it_was_held_back_is_made_again(
    resource: StreamingResource,
) -> None:
    dropped, broken = ZeroDivisionError("dropped by the server"), ZeroDivisionError("really broken")
    origin = Scripted(breaks={100_000: dropped, 150_000: broken})
    async with Fetcher(origin, resource, look_ahead=100_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        await origin.until(lambda: origin.sent >= 100_000)
        await settle()
        cursor.advance(60_000)
        assert await resource.wait_range_async(100_000, 150_000) == "ready"
        with pytest.raises(ZeroDivisionError) as caught:
            await resource.wait_range_async(150_000, 150_001)
        assert caught.value is broken
    assert origin.asked == [(0, None), (100_000, None)]


async def test_announced_ranges_that_are_ignored_are_asked_for_once(
    resource: StreamingResource,
) -> None:
    origin = Scripted(ranges=False, announced=True)
    async with Fetcher(origin, resource, look_ahead=50_000, read_through=1_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        await origin.until(lambda: origin.sent >= 50_000)
        cursor.need(600_000)
        assert await resource.wait_range_async(600_000, 600_001) == "ready"
        cursor.need(900_000)
        assert await resource.wait_range_async(900_000, 900_001) == "ready"
        await fetcher.wait_complete()
    assert origin.asked == [(0, None), (600_000, None)]
    assert origin.sent == len(DATA)
    assert resource.path.read_bytes() == DATA


async def test_without_ranges_a_body_dropped_while_held_is_read_again_from_the_start(
    resource: StreamingResource,
) -> None:
    origin = Scripted(ranges=False, breaks={100_000: ZeroDivisionError("dropped")})
    async with Fetcher(origin, resource, look_ahead=100_000, read_through=1_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        await origin.until(lambda: origin.sent >= 100_000)
        await settle()
        cursor.need(100_000)
        assert await resource.wait_range_async(100_000, 100_001) == "ready"
        await fetcher.wait_complete()
    assert origin.asked == [(0, None), (0, None)]
    assert resource.path.read_bytes() == DATA


async def test_without_a_length_nothing_but_the_one_body_is_asked_for(
    resource: StreamingResource,
) -> None:
    origin = Scripted(total_known=False)
    async with Fetcher(origin, resource, look_ahead=50_000, read_through=1_000) as fetcher:
        await fetcher.start()
        cursor = fetcher.cursor()
        cursor.need(len(DATA) * 2)
        assert await resource.wait_range_async(len(DATA) * 2, len(DATA) * 3) == "eof"
    assert origin.asked == [(0, None)]


async def test_more_readers_than_requests_share_them(resource: StreamingResource) -> None:
    """A request is given up for another reader once it has brought what it cost, not before."""
    origin = Scripted(latency=20)
    starts = range(0, 1_000_000, 125_000)
    read_through = 40_000

    async def read(fetcher: Fetcher, start: int) -> None:
        cursor, offset = fetcher.cursor(), start
        while offset < start + 125_000:
            cursor.need(offset)
            assert await resource.wait_range_async(offset, offset + 1) == "ready"
            offset += resource.available(offset)

    async with Fetcher(origin, resource, look_ahead=60_000, read_through=read_through) as fetcher:
        await fetcher.start()
        async with asyncio.TaskGroup() as readers:
            for start in starts:
                readers.create_task(read(fetcher, start))
        await fetcher.wait_complete()
    assert resource.path.read_bytes() == DATA
    assert len(origin.asked) < len(DATA) // read_through + len(starts)


async def test_filling_up_to_an_island_ends_the_body_and_not_the_connection(
    resource: StreamingResource,
) -> None:
    origin = Scripted()
    ends: list[bool] = []

    class Watched(Scripted):
        @asynccontextmanager
        async def open(self, start: int, stop: int | None) -> AsyncIterator[OriginBody]:
            async with origin.open(start, stop) as body:

                @dataclass
                class Ending:
                    head: Head

                    async def __aiter__(self) -> AsyncIterator[bytes]:
                        async for chunk in body:
                            yield chunk
                        ends.append(True)

                assert isinstance(body, Body)
                yield Ending(body.head)

    async with Fetcher(Watched(), resource, look_ahead=10_000, read_through=1_000) as fetcher:
        await fetcher.start()
        await resource.write_at(500_000, DATA[500_000:])
        await resource.flush()
        cursor = fetcher.cursor()
        cursor.need(300_000)
        await resource.wait_range_async(300_000, 300_001)
        cursor.need(490_000)
        await resource.wait_range_async(490_000, 500_000)
        await settle()
        assert ends == [True]
    assert origin.asked[:2] == [(0, None), (300_000, 500_000)]


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_body_that_never_reaches_its_length_is_an_error(
    resource: StreamingResource, ranges: bool
) -> None:
    origin = Scripted(promised=len(DATA) + 5, ranges=ranges)
    async with Fetcher(origin, resource) as fetcher:
        await fetcher.start()
        with pytest.raises(BodyEnded):
            await fetcher.wait_complete()
    assert len(origin.asked) == (2 if ranges else 1)


async def test_closing_cancels_every_request_and_wakes_who_waits(
    resource: StreamingResource,
) -> None:
    origin = Scripted(gate=asyncio.Event())
    fetcher = Fetcher(origin, resource)
    await fetcher.start()
    waiting = asyncio.create_task(fetcher.wait_complete())
    await settle()
    before = len(asyncio.all_tasks())
    await fetcher.aclose()
    await fetcher.aclose()
    with pytest.raises(Cancelled):
        await waiting
    assert origin.open_now == 0
    assert len(asyncio.all_tasks()) < before
    with pytest.raises(Cancelled):
        await resource.wait_range_async(len(DATA) - 1, len(DATA))
    fetcher.cursor().need(0)


async def test_cancelling_start_leaves_nothing(resource: StreamingResource) -> None:
    started = asyncio.Event()

    class Silent(Scripted):
        @asynccontextmanager
        async def open(self, start: int, stop: int | None) -> AsyncIterator[OriginBody]:
            started.set()
            await asyncio.Event().wait()
            yield Body(self, Head(0, 0, True), 0)

    async with Fetcher(Silent(), resource) as fetcher:
        task = asyncio.create_task(fetcher.start())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_closing_ends_a_start_that_waits(resource: StreamingResource) -> None:
    asked = asyncio.Event()

    class Silent(Scripted):
        @asynccontextmanager
        async def open(self, start: int, stop: int | None) -> AsyncIterator[OriginBody]:
            asked.set()
            await asyncio.Event().wait()
            yield Body(self, Head(0, 0, True), 0)

    fetcher = Fetcher(Silent(), resource)
    starting = asyncio.create_task(fetcher.start())
    await asked.wait()
    await asyncio.gather(fetcher.aclose(), fetcher.aclose())
    with pytest.raises(Cancelled):
        await starting


async def test_a_sink_that_is_complete_has_nothing_to_start(resource: StreamingResource) -> None:
    await resource.write_at(0, DATA)
    await resource.commit(len(DATA))
    async with Fetcher(Scripted(), resource) as fetcher:
        with pytest.raises(RuntimeError, match="complete"):
            await fetcher.start()


async def test_a_request_that_is_held_for_long_is_given_up(resource: StreamingResource) -> None:
    """And the next one begins once half of the read-ahead is used up."""
    origin = Scripted()
    async with Fetcher(origin, resource, look_ahead=100_000, hold=0.01) as fetcher:
        cursor = fetcher.cursor()
        await fetcher.start()
        await origin.until(lambda: origin.open_now == 0)
        assert origin.asked == [(0, None)]
        assert 100_000 <= resource.available(0) <= 100_000 + CHUNK
        cursor.advance(40_000)
        await settle()
        assert len(origin.asked) == 1
        cursor.advance(60_000)
        await origin.until(lambda: len(origin.asked) == 2 and origin.open_now == 0)
        assert origin.asked[1][0] <= 100_000 + CHUNK
        cursor.need(900_000)
        await resource.wait_range_async(900_000, 900_001)
        await fetcher.wait_complete()
        assert resource.read_at(0, len(DATA)) == DATA
        assert origin.sent == len(DATA)


async def test_a_request_that_is_held_goes_on_by_small_steps(
    resource: StreamingResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers give up a request whose bytes nobody takes for a minute."""
    monkeypatch.setattr(_fetcher, "_STEP", 20_000)
    origin = Scripted()
    async with Fetcher(origin, resource, look_ahead=400_000) as fetcher:
        cursor = fetcher.cursor()
        await fetcher.start()
        await origin.until(lambda: origin.sent >= 400_000)
        await settle()
        assert origin.sent <= 400_000 + CHUNK
        cursor.advance(40_000)
        await settle()
        assert origin.sent == 440_000
    assert origin.asked == [(0, None)]


async def test_what_cannot_be_asked_for_again_is_held_for_ever(
    resource: StreamingResource,
) -> None:
    origin = Scripted(ranges=False)
    async with Fetcher(origin, resource, look_ahead=100_000, hold=0.001) as fetcher:
        await fetcher.start()
        with pytest.raises(TimeoutError):
            await resource.wait_range_async(0, len(DATA), 0.05)
        assert origin.open_now == 1
        await fetcher.wait_complete()
    assert origin.asked == [(0, None)]


async def test_while_paused_only_what_is_missed_is_fetched(resource: StreamingResource) -> None:
    origin = Scripted()
    async with Fetcher(origin, resource, look_ahead=2_000_000) as fetcher:
        cursor = fetcher.cursor()
        fetcher.pause()
        await fetcher.start()
        fetcher.fetch_whole()
        await resource.wait_range_async(0, 64 * 1024)
        await settle()
        assert resource.available(0) <= 64 * 1024 + CHUNK
        cursor.need(500_000)
        await resource.wait_range_async(500_000, 500_001)
        await settle()
        assert origin.sent <= 2 * (64 * 1024 + 2 * CHUNK)
        fetcher.resume()
        await fetcher.wait_complete()
        assert fetcher.stats.bytes_received == len(DATA)


async def test_a_request_that_stands_before_a_small_island_fills_what_is_behind_it(
    resource: StreamingResource,
) -> None:
    origin = Scripted()
    resource.set_length(len(DATA))
    await resource.write_at(100_000, DATA[100_000:100_500])
    await resource.flush()
    async with Fetcher(origin, resource, look_ahead=100_000, read_through=1000) as fetcher:
        fetcher.cursor()
        await fetcher.start()
        await resource.wait_range_async(0, 100_000)
        await settle()
        await fetcher.wait_complete()
    assert origin.asked == [(0, None)]


async def test_filled_holes_are_told(resource: StreamingResource) -> None:
    filled: list[tuple[int, int]] = []
    origin = Scripted()
    fetcher = Fetcher(
        origin,
        resource,
        look_ahead=100_000,
        read_through=1000,
        on_filled=lambda start, stop: filled.append((start, stop)),
    )
    async with fetcher:
        cursor = fetcher.cursor()
        cursor.need(600_000)
        await fetcher.start()
        await resource.wait_range_async(600_000, 700_000)
        assert filled == []
        await fetcher.wait_complete()
    assert filled
    assert all(start < stop for start, stop in filled)
    told = fetcher.stats
    assert told.time_to_first_byte is not None
    assert told.retries == 0
