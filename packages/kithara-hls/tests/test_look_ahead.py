import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kithara_hls import HlsSource
from kithara_hls._choice import Choice
from kithara_net import HttpClient
from kithara_net.testing import Server

Record = Callable[..., Any]
Open = Callable[..., HlsSource]


async def test_a_seek_asks_for_the_segment_behind_at_once_and_for_no_third(
    record: Record,
    source: Open,
    server: Server,
    net: HttpClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Choice, "seconds_for", lambda self, size: 0.0)  # a path with all the room
    server.add("/other", b"x")
    made = record()
    for number in range(12):
        made.segment(f"{number}.ts", 4000)
        made.resources[f"{number}.ts"].behaviour = {"stall_head": number >= 7}
    made.publish()
    async with source(made.url, look_ahead=16_000) as session:
        reader = session.reader()
        assert await asyncio.to_thread(reader.read, 1000) == made.clear[:1000]
        await server.wait_for(lambda: bool(server.requests_for("/music/4.ts")))
        sought = asyncio.create_task(asyncio.to_thread(reader.seek_time, 19.9))
        await server.wait_for(lambda: bool(server.requests_for("/music/8.ts")))
        await net.get_bytes(server.url("/other"))  # it comes behind whatever was asked for
        assert [r.path for r in server.requests[-3:-1]] == ["/music/7.ts", "/music/8.ts"]
        made.resources["7.ts"].release()
        assert await sought == 17.5
        assert await asyncio.to_thread(reader.read, 4000) == made.parts[7]
        await server.wait_for(lambda: bool(server.requests_for("/music/9.ts")))
        for number in range(8, 12):
            made.resources[f"{number}.ts"].release()
        assert await asyncio.to_thread(reader.read) == b"".join(made.parts[8:])
