"""Where keys come from: beside what the playlists of other tests name."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest

from kithara_assets import DiskAssetStore
from kithara_hls import HlsSource, KeyInvalid
from kithara_net import RetryPolicy
from kithara_net.testing import Server

Record = Callable[..., Any]
Open = Callable[..., HlsSource]


async def test_a_key_in_the_playlist_is_used_and_stands_in_no_name(
    record: Record, source: Open, server: Server, store: DiskAssetStore
) -> None:
    made = record().use_key("k.key", explicit=True).segment("1.ts")
    written = base64.b64encode(made.key).decode()
    made.lines = [line.replace("k.key", f"data:;base64,{written}") for line in made.lines]
    made.publish()
    async with source(made.url) as session:
        events = session.events()
        assert await asyncio.to_thread(session.reader().read) == made.clear
        assert await session.is_complete()
    assert written not in repr([event async for event in events])
    assert server.requests_for("/music/k.key") == []
    (kept,) = [path for path in store.root.glob("*/keys/master/*") if not path.suffix]
    assert kept.read_bytes() == made.key
    assert written[:8] not in kept.name
    assert made.key.hex()[:8] not in kept.name
    asked = len(server.requests)
    async with source(made.url, offline=True) as session:
        assert await asyncio.to_thread(session.reader().read) == made.clear
    assert len(server.requests) == asked


@pytest.mark.parametrize("failing", [False, True])
async def test_a_session_key_is_fetched_while_its_variant_loads(
    record: Record, source: Open, server: Server, failing: bool
) -> None:
    made = record().use_key("k.key", explicit=True).segment("1.ts").publish()
    made.resources["list.m3u8"].behaviour = {"stall_head": True}
    made.resources["k.key"].script = [{"status": 503}] if failing else []
    keys = "".join(f'#EXT-X-SESSION-KEY:METHOD=AES-128,URI="music/{k}.key"\n' for k in "kn")
    text = f"#EXTM3U\n{keys}#EXT-X-STREAM-INF:BANDWIDTH=1\nmusic/list.m3u8"
    server.add("/main.m3u8", text.encode())
    server.add("/music/n.key", stall_head=True)  # nobody needs it
    retry = RetryPolicy(max_retries=1, base_delay=0)
    opening = asyncio.create_task(source(server.url("/main.m3u8"), retry=retry).open())
    await server.wait_for(lambda: bool(server.requests_for("/music/k.key")))
    made.resources["list.m3u8"].release()
    async with await opening as session:
        assert await asyncio.to_thread(session.reader().read) == made.clear
        assert session.stats.requests == (6 if failing else 5)
    assert len(server.requests_for("/music/k.key")) == (2 if failing else 1)


async def test_a_key_that_fails_fails_for_all_who_wait_for_it(
    record: Record, source: Open, server: Server
) -> None:
    made = record().use_key("k.key", explicit=True)
    for name in ("1.ts", "2.ts", "3.ts", "4.ts"):
        made.segment(name)
    made.publish()
    key = server.add("/music/k.key", b"<html>", stall_head=True)
    async with source(made.url) as session:
        downloading = asyncio.create_task(session.download())
        await server.wait_for(lambda: len(server.requests) == 6)  # a list, a key, segments
        key.release()
        with pytest.raises(KeyInvalid):
            await downloading
    assert len(server.requests_for("/music/k.key")) == 2
