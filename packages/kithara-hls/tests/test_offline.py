import asyncio
import hashlib
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kithara_assets import DiskAssetStore, OfflineMiss
from kithara_hls import (
    Completion,
    FetchProgress,
    HlsOptions,
    HlsSource,
    SegmentLost,
    ThroughputSample,
    VariantMissing,
)
from kithara_net.testing import Server

Record = Callable[..., Any]
Open = Callable[..., HlsSource]

# For each line that it reads, a child of it downloads the variant of the URL given into the folder
# given. It has imported everything before, so that thirty of them take no time.
DOWNLOAD = """
import asyncio, os, sys
from kithara_assets import asset_store
from kithara_hls import HlsSource
from kithara_net import HttpClient

async def main():
    async with HttpClient() as net:
        with asset_store(sys.argv[2]) as store:
            async with HlsSource(sys.argv[1], store=store, net=net) as session:
                await session.download()

while sys.stdin.readline():
    child = os.fork()
    if child == 0:
        asyncio.run(main())
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def ladder(record: Record, server: Server) -> tuple[list[Any], str]:
    made = [record(f"/{number}", seed=number) for number in range(2)]
    for recording in made:
        recording.use_init("i.mp4").use_key("k.key", explicit=False)
        for number in range(5):
            recording.segment(f"{number}.m4s", 9000)
        recording.publish()
    lines = [f"#EXT-X-STREAM-INF:BANDWIDTH={i + 1}\n/{i}/list.m3u8" for i in range(2)]
    server.add("/master.m3u8", "\n".join(["#EXTM3U", *lines]).encode())
    return made, server.url("/master.m3u8")


async def test_what_was_downloaded_plays_with_no_server(
    record: Record, source: Open, server: Server
) -> None:
    made, url = ladder(record, server)
    told: list[FetchProgress] = []
    async with source(url, variant=0, look_ahead=0) as session:
        assert not await session.is_complete()
        await session.download(variants=[0, 1], on_progress=told.append)
        assert await session.is_complete([0, 1]) == Completion(missing=())
        with pytest.raises(VariantMissing):
            await session.download(variants=[2])
    assert told[-1] == FetchProgress(variant=1, segments=5, of=5)
    assert all(a.segments <= b.segments for a, b in pairwise(p for p in told if p.variant))
    assert max(Counter(r.path for r in server.requests).values()) == 1
    assert len(server.requests) == 1 + 2 * (1 + 1 + 1 + 5)
    await server.aclose()
    for variant, recording in enumerate(made):
        async with source(url, variant=variant, offline=True) as session:
            heard = await asyncio.to_thread(session.reader().read)
            assert hashlib.sha256(heard).digest() == hashlib.sha256(recording.clear).digest()
            assert session.stats.requests == 0
            assert await session.is_complete()


async def test_a_download_that_is_cancelled_lets_go_of_what_its_segments_share(
    record: Record, source: Open, server: Server
) -> None:
    made, url = ladder(record, server)
    made[1].resources["i.mp4"].script = [{"stall_after": 100}]
    async with source(url, variant=0) as session:
        downloading = asyncio.create_task(session.download(variants=[1]))
        await server.wait_for(lambda: len(server.requests_for("/1/i.mp4")) == 1)
        await server.wait_for(lambda: len(server.requests_for("/1/1.m4s")) == 1)
        downloading.cancel()
        await asyncio.wait([downloading])
        async with asyncio.timeout(10):  # a stall is waited for longer
            await session.download(variants=[1])
        assert await session.is_complete([1])


async def test_a_segment_that_is_listed_twice_counts_twice(
    record: Record, source: Open, server: Server
) -> None:
    made = record().segment("1.ts").segment("2.ts")
    made.lines += made.lines[-4:]
    made.publish()
    told: list[FetchProgress] = []
    async with source(made.url, look_ahead=0) as session:
        await session.download(on_progress=told.append)
        assert told[-1] == FetchProgress(variant=0, segments=4, of=4)
        assert await asyncio.to_thread(session.reader().read) == made.clear * 2
    assert [len(server.requests_for(f"/music/{name}.ts")) for name in "12"] == [1, 1]


async def test_what_is_missing_is_named(
    record: Record, source: Open, server: Server, store: DiskAssetStore
) -> None:
    _, url = ladder(record, server)
    async with source(url, variant=0) as session:
        await session.download()
        for name in ("segments/variant_0/0/3.m4s", "init/variant_0/0/i.mp4"):
            (path,) = store.root.glob(f"*/{name}")
            path.unlink()
        (key,) = store.root.glob("*/keys/variant_0/0/k.key")
        key.unlink()
        found = await session.is_complete([0, 1])
        assert found.missing == (
            "init/variant_0/0/i.mp4",
            "segments/variant_0/0/3.m4s",
            "keys/variant_0/0/k.key",
            "variant_1.m3u8",
        )
    server.requests.clear()
    async with source(url, variant=0, look_ahead=0) as session:
        await session.download()
        assert await session.is_complete()
    assert sorted(r.path for r in server.requests) == ["/0/3.m4s", "/0/i.mp4", "/0/k.key"]


async def test_what_one_variant_lacks_is_played_from_another_one_that_has_it(
    record: Record, source: Open, server: Server, store: DiskAssetStore
) -> None:
    made, url = ladder(record, server)
    async with source(url, variant=0) as session:
        await session.download(variants=[0, 1])
    server.requests.clear()
    gone = [{1, 3}, {0, 2}]  # neither has all of it
    for variant, numbers in enumerate(gone):
        for number in numbers:
            (path,) = store.root.glob(f"*/segments/variant_{variant}/{variant}/{number}.m4s")
            path.unlink()
    async with source(url, offline=True) as session:
        assert await asyncio.to_thread(session.reader().read) == b"".join(
            part for i in range(4) for part in (made[i % 2].init, made[i % 2].parts[1 + i])
        ) + b"".join(made[1].parts[5:])
        assert await asyncio.to_thread(session.reader().seek_time, 5.0) == 5
    (key,) = store.root.glob("*/keys/variant_0/0/k.key")
    key.unlink()
    async with source(url, offline=True) as session:
        with pytest.raises(OfflineMiss):
            await session.wait_complete()
    assert server.requests == []


async def test_a_segment_that_is_lost_ends_a_download(
    record: Record, source: Open, server: Server
) -> None:
    made, url = ladder(record, server)
    made[1].resources["2.m4s"].behaviour = {"status": 404}
    async with source(url, variant=0) as session:
        with pytest.raises(SegmentLost) as caught:
            await session.download(variants=[1])
        assert caught.value.index == 2
        assert len((await session.is_complete([1])).missing) >= 1
    async with source(url, variant=1, offline=True) as session:
        with pytest.raises(OfflineMiss):
            await session.wait_complete()


async def test_waiting_for_all_fetches_what_a_seek_left_out(
    record: Record, source: Open, server: Server
) -> None:
    made = record()
    for number in range(10):
        made.segment(f"{number}.ts")
    made.publish()
    async with source(made.url, look_ahead=0) as session:
        await asyncio.to_thread(session.reader().seek_time, 20.0)
        assert not await session.is_complete()
        await session.wait_complete()
        assert await session.is_complete()
    assert max(Counter(r.path for r in server.requests).values()) <= 2


@pytest.mark.parametrize("etag", [True, False])
async def test_a_part_that_was_begun_goes_on_where_it_was(
    record: Record, source: Open, server: Server, etag: bool
) -> None:
    made = record().use_key("k", explicit=True).segment("1.ts", 90_000).publish()
    plain: dict[str, Any] = {} if etag else {"new_etag": "", "new_last_modified": ""}
    made.resources["1.ts"].behaviour = {"stall_after": 50_000, **plain}
    async with source(made.url) as session:
        assert await asyncio.to_thread(session.source().wait_range, 0, 49_000) == "ready"
    made.resources["1.ts"].behaviour = plain
    async with source(made.url) as session:
        assert await asyncio.to_thread(session.reader().read) == made.clear
    first, again = server.requests_for("/music/1.ts")
    assert (again.byte_range is not None) is etag
    if again.byte_range is not None:
        assert 49_000 <= again.byte_range.start <= 50_000
        assert again.headers["If-Range"]
    assert first.byte_range is None


async def test_nothing_is_asked_for_behind_the_end_of_a_part(
    record: Record, source: Open, server: Server
) -> None:
    """All of it came, but it could not be made sure of: its key did not."""
    made = record().use_key("k", explicit=True).segment("1.ts", 9000).publish()
    made.resources["k"].script = [{"stall_after": 3}]
    received = 0
    async with source(made.url) as session:
        async for event in session.events():
            received += event.bytes if isinstance(event, ThroughputSample) else 0
            if received == len(made.served["1.ts"]):
                break
    async with source(made.url) as session:
        assert await asyncio.to_thread(session.reader().read) == made.clear
    asked = [r.byte_range.start for r in server.requests_for("/music/1.ts") if r.byte_range]
    assert all(start < received for start in asked)  # the last of it may not have been written


async def test_a_part_that_changed_meanwhile_is_fetched_anew(
    record: Record, source: Open, server: Server
) -> None:
    made = record().segment("1.ts", 90_000).publish()
    made.resources["1.ts"].behaviour = {"stall_after": 50_000}
    async with source(made.url) as session:
        assert await asyncio.to_thread(session.source().wait_range, 0, 49_000) == "ready"
    other = random.Random(9).randbytes(80_000)
    server.add("/music/1.ts", other)
    async with source(made.url) as session:
        assert await asyncio.to_thread(session.reader().read) == other


async def killed_again_and_again(server: Server, url: str, folder: Path, kills: int) -> None:
    """Kill a download after so many bytes, by chance, again and again; then let it end."""
    chance = random.Random(3)
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DOWNLOAD, url, os.fspath(folder)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdin is not None
    assert program.stdout is not None
    for _ in range(kills):
        enough = chance.randrange(1, 280_000) + sum(r.sent for r in server.requests)
        program.stdin.write(b"begin\n")
        child = int(await program.stdout.readline())
        await server.wait_for(lambda: sum(r.sent for r in server.requests) >= enough)  # noqa: B023 - awaited in this round
        os.kill(child, signal.SIGKILL)
        assert int(await program.stdout.readline()) == signal.SIGKILL
    program.stdin.write(b"begin\n")
    await program.stdout.readline()
    assert int(await program.stdout.readline()) == 0
    program.stdin.close()
    assert await program.wait() == 0


async def test_killed_at_30_random_moments_it_fetches_each_segment_once_and_those_in_flight(
    record: Record, server: Server, tmp_path: Path
) -> None:
    kills, count, size = 30, 250, 20_000
    made = record()
    for number in range(count):
        made.segment(f"{number}.ts", size)
    made.publish()
    server.bytes_per_second = 4_000_000
    await killed_again_and_again(server, made.url, tmp_path / "cache", kills)
    asked = Counter(r.path for r in server.requests if r.path.endswith(".ts"))
    assert len(asked) == count
    in_flight = HlsOptions().parallel * kills
    assert sum(times - 1 for times in asked.values()) <= in_flight
    sent = sum(r.sent for r in server.requests if r.path.endswith(".ts"))
    assert sent <= count * size + in_flight * size
    (kept,) = (tmp_path / "cache").glob("*/segments/master/music")
    whole = b"".join((kept / f"{number}.ts").read_bytes() for number in range(count))
    assert hashlib.sha256(whole).digest() == hashlib.sha256(made.clear).digest()
