import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kithara_assets import MemoryAssetStore, asset_store
from kithara_hls import HlsOptions, HlsSource, PathMemory, ThroughputRule
from kithara_hls._abr_memory import RememberedPath
from kithara_net import HttpClient
from kithara_net.testing import Server

Record = Callable[..., Any]
MEMORY = PathMemory(rate=3e6, spread=0.2, ttfb=0.1)
URL = "https://example.org/a/master.m3u8?token=1"


def album(record: Record, server: Server, name: str) -> str:
    """An HLS recording with variants of 50 kbit/s, 100 kbit/s and 1 Mbit/s."""
    lines = ["#EXTM3U"]
    for number, kbit in enumerate((50, 100, 1000)):
        made = record(f"/{name}/{number}", seed=number)
        for segment in range(6):
            made.segment(f"{segment}.ts", 90_000)
        made.publish()
        lines.append(f"#EXT-X-STREAM-INF:BANDWIDTH={kbit}000\n/{name}/{number}/list.m3u8")
    server.add(f"/{name}.m3u8", "\n".join(lines).encode())
    return server.url(f"/{name}.m3u8")


async def first_choice(url: str, root: Path, net: HttpClient, options: HlsOptions) -> int:
    """What a process that knows nothing but the folder begins with, when all of it was fetched."""
    with asset_store(root) as store:
        async with HlsSource(url, store=store, net=net, options=options) as session:
            begins = session.variant.index
            await session.wait_complete()
    return begins


async def test_the_next_process_begins_with_what_the_path_carries(
    record: Record, server: Server, net: HttpClient, tmp_path: Path
) -> None:
    """Loopback carries any of them; who does not know that begins with less."""
    auto = HlsOptions(variant="auto")
    first = album(record, server, "first")
    assert await first_choice(first, tmp_path, net, auto) < 2
    second = album(record, server, "second")
    assert await first_choice(second, tmp_path, net, auto) == 2
    assert await first_choice(second, tmp_path / "other", net, auto) < 2


@pytest.mark.parametrize(
    "options", [HlsOptions(variant=0), HlsOptions(variant="auto", abr_policy=ThroughputRule())]
)
async def test_only_the_built_in_rule_leaves_a_memory(
    record: Record, server: Server, net: HttpClient, tmp_path: Path, options: HlsOptions
) -> None:
    await first_choice(album(record, server, "first"), tmp_path, net, options)
    with asset_store(tmp_path) as store:
        assert await RememberedPath(store, server.url("/")).recall() is None


async def test_a_memory_is_of_one_host_and_ages() -> None:
    with MemoryAssetStore() as store:
        await RememberedPath(store, URL, now=lambda: 1000.0).keep(MEMORY)
        later = RememberedPath(store, "https://example.org/b.m3u8", now=lambda: 4600.0)
        found = await later.recall()
        assert found == PathMemory(rate=3e6, spread=0.2, ttfb=0.1, age=3600.0)
        before = RememberedPath(store, URL, now=lambda: 10.0)
        found = await before.recall()
        assert found is not None
        assert found.age == 0.0
        for other in ("https://example.net/a/master.m3u8", "http://example.org/a/master.m3u8"):
            assert await RememberedPath(store, other).recall() is None


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "{}", '{"rate": "fast", "spread": 0, "ttfb": 0, "taken": 0}']
)
def test_a_damaged_memory_was_never_there(tmp_path: Path, damage: str) -> None:
    with asset_store(tmp_path) as store:
        path = RememberedPath(store, URL)
        asyncio.run(path.keep(MEMORY))
        [found] = tmp_path.glob("*/throughput.json")
        assert json.loads(found.read_text())["rate"] == 3e6
        found.write_text(damage)
        assert asyncio.run(path.recall()) is None


async def test_a_memory_that_cannot_be_kept_or_read_is_no_error() -> None:
    store = MemoryAssetStore()
    store.close()
    path = RememberedPath(store, URL)
    await path.keep(MEMORY)
    assert await path.recall() is None
