import asyncio
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kithara_assets import DiskAssetStore
from kithara_hls import (
    HlsSource,
)
from kithara_stream import Cancelled, Interrupted, Reader

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


async def test_bytes_are_readable_while_a_segment_arrives(record: Record, source: Open) -> None:
    for coded in (False, True):
        made = record(f"/stalled-{coded}")
        if coded:
            made.use_key("k.key", explicit=True)
        made.segment("1.ts", 40_000).publish()
        made.resources["1.ts"].behaviour = {"stall_after": 20_008}
        async with source(made.url) as session:
            view = session.source()
            there = 19_984 if coded else 20_008
            assert await asyncio.to_thread(view.wait_range, 0, there) == "ready"
            buffer = bytearray(40_000)
            count = await asyncio.to_thread(view.read_into, 5, memoryview(buffer))
            assert there - 5 <= count <= 20_008 - 5
            assert buffer[:count] == made.clear[5 : 5 + count]
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(view.wait_range, 0, 30_000, 0.01)
            made.resources["1.ts"].release()
            assert await asyncio.to_thread(read_all, session.reader()) == sha(made.clear)


@pytest.mark.parametrize("where", [6000, 200_000])  # within a part; where none is laid yet
async def test_an_interrupted_view_waits_again_after_proceed(
    record: Record, source: Open, where: int
) -> None:
    made = record().segment("1.ts", 40_000).segment("2.ts", 40_000).publish()
    made.resources["1.ts"].behaviour = {"chunked": True, "stall_after": 5000}
    async with source(made.url) as session:
        view = session.source()
        blocked = asyncio.create_task(asyncio.to_thread(view.wait_range, where, where + 1))
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
        made.resources["1.ts"].release()
        assert await asyncio.to_thread(read_all, session.reader()) == sha(made.clear)
        view.interrupt()
        view.close()
        view.proceed()
        with pytest.raises(Cancelled):
            view.wait_range(0, 5)


async def test_the_last_block_waits_for_the_end(record: Record, source: Open) -> None:
    made = record().use_key("k.key", explicit=True).segment("1.ts", 1003).publish()
    made.resources["1.ts"].behaviour = {"chunked": True, "stall_after": 1008}
    async with source(made.url) as session:
        view = session.source()
        assert await asyncio.to_thread(view.wait_range, 0, 992) == "ready"
        assert await asyncio.to_thread(view.read_into, 0, memoryview(bytearray(2000))) == 992
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(view.wait_range, 992, 993, 0.01)
        made.resources["1.ts"].release()
        assert await asyncio.to_thread(session.reader().read) == made.clear


async def test_spans_begin_where_a_decoder_starts_anew(rich: Record, source: Open) -> None:
    made = rich()

    def read_spans(reader: Reader) -> Iterator[bytes]:
        with reader:
            for span in reader.spans():
                yield span.read()

    async with source(made.url, look_ahead=0) as session:
        spans = await asyncio.to_thread(lambda: list(read_spans(session.reader())))
    a, b = made.parts[:5], made.parts[5:7]
    assert spans == [b"".join(a), b"".join(b), b"".join(made.parts[7:])]


async def test_packed_segments_stay_in_one_span(record: Record, source: Open) -> None:
    made = record().segment("1.ts").segment("2.ts").use_key("k", explicit=False).segment("3.ts")
    made.publish()
    async with source(made.url) as session:
        await session.wait_complete()
        span = session.source().span_at(7000)
        assert span is not None
        assert (span.start, span.stop) == (0, 15000)
        assert session.source().span_at(15000) is None
        assert session.source().wait_range(15000, 15001) == "eof"


async def test_laid_bytes_are_read_again_in_any_order(
    record: Record, source: Open, store: DiskAssetStore
) -> None:
    made = record().use_init("i.mp4").use_key("k", explicit=False)
    for i in range(12):
        made.segment(f"{i}.m4s", 1000 + i)
    made.publish()
    async with source(made.url) as session:
        await session.wait_complete()
        view = session.source()
        for start in range(len(made.clear) - 10, -1, -997):
            assert view.wait_range(start, start + 10) == "ready"
            buffer = bytearray(10)
            count = view.read_into(start, memoryview(buffer))
            assert count > 0
            assert buffer[:count] == made.clear[start : start + count]


async def test_one_reader_closes_and_others_go_on(record: Record, source: Open) -> None:
    made = record().segment("1.ts").publish()
    made.resources["1.ts"].behaviour = {"stall_after": 1000}
    async with source(made.url) as session:
        view = session.source()
        blocked = asyncio.create_task(asyncio.to_thread(view.wait_range, 0, 2000))
        other = asyncio.create_task(asyncio.to_thread(read_all, session.reader()))
        assert await asyncio.to_thread(session.source().wait_range, 0, 1000) == "ready"
        view.close()
        with pytest.raises(Cancelled):
            await blocked
        made.resources["1.ts"].release()
        assert await other == sha(made.clear)


# -- a model -----------------------------------------------------------------------------------

sizes = st.lists(st.integers(1, 200), min_size=1, max_size=6)
reads = st.lists(st.tuples(st.integers(0, 1300), st.integers(1, 90)), max_size=20)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sizes=sizes, reads=reads, coded=st.booleans(), init=st.booleans())
async def test_any_read_of_any_recording(
    record: Record,
    source: Open,
    sizes: list[int],
    reads: list[tuple[int, int]],
    coded: bool,
    init: bool,
) -> None:
    folder = f"/r{abs(hash((tuple(sizes), tuple(reads), coded, init)))}"
    made = record(folder)
    if coded:
        made.use_key("k", explicit=True)
    if init:
        made.use_init("i", 40)
    for i, size in enumerate(sizes):
        made.segment(f"{i}.m4s", size)
    made.publish()
    async with source(made.url, look_ahead=0) as session:
        view = session.source()

        def check() -> None:
            for start, count in reads:
                expected = made.clear[start : start + count]
                outcome = view.wait_range(start, start + count)
                assert outcome == ("ready" if expected else "eof")
                found = bytearray()
                while len(found) < len(expected):
                    piece = bytearray(count - len(found))
                    got = view.read_into(start + len(found), memoryview(piece))
                    assert got > 0
                    found += piece[:got]
                assert found == expected

        await asyncio.to_thread(check)
