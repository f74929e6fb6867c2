"""A body that nobody reads, and a request that waits for its connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from kithara_net import BodyTruncated, HttpClient, NetOptions, RetryNet, RetryPolicy
from kithara_net import _giving_way as giving_way
from kithara_net._body import Body
from kithara_net.testing import GeneratedContent, Server, pattern_bytes

SIZE = 10_000_000  # more than what is on its way while nobody reads
ONE = NetOptions(connections_per_host=1)


async def collect_until_error(pieces: AsyncIterator[bytes]) -> tuple[bytes, Exception | None]:
    got = b""
    try:
        async for piece in pieces:
            got += piece
    except BodyTruncated as error:
        return got, error
    return got, None


async def test_it_gives_way(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(giving_way, "UNREAD_SECONDS", 0)
    server.add("/long", GeneratedContent(SIZE))
    server.add("/a", b"x")
    async with HttpClient(ONE) as client, client.stream(server.url("/long")) as body:
        pieces = aiter(body)
        got = await anext(pieces)
        assert (await client.get_bytes(server.url("/a"))).body == b"x"
        rest, error = await collect_until_error(pieces)
    got += rest
    assert isinstance(error, BodyTruncated)
    assert got == pattern_bytes(0, len(got))


async def test_it_is_continued(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(giving_way, "UNREAD_SECONDS", 0)
    server.add("/long", GeneratedContent(SIZE))
    server.add("/a", b"x")
    async with HttpClient(ONE) as client:
        net = RetryNet(client, RetryPolicy(base_delay=0))
        async with net.stream(server.url("/long")) as body:
            pieces = aiter(body)
            got = await anext(pieces)
            assert (await client.get_bytes(server.url("/a"))).body == b"x"
            got += b"".join([piece async for piece in pieces])
    assert got == pattern_bytes(0, SIZE)


async def test_one_that_was_read_a_moment_ago_stays(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(giving_way, "_LOOK_SECONDS", 0)
    server.add("/long", GeneratedContent(SIZE))
    server.add("/a", b"x")
    async with HttpClient(ONE) as client:
        async with client.stream(server.url("/long")) as body:
            other = asyncio.create_task(client.get_bytes(server.url("/a")))
            assert b"".join([piece async for piece in body]) == pattern_bytes(0, SIZE)
        await other


async def test_one_that_somebody_waits_for_stays(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(giving_way, "UNREAD_SECONDS", 0.01)
    monkeypatch.setattr(giving_way, "_LOOK_SECONDS", 0.001)
    resource = server.add("/slow", GeneratedContent(2000), stall_after=1000)
    server.add("/a", b"x")
    async with HttpClient(ONE) as client:
        async with client.stream(server.url("/slow")) as body:
            other = asyncio.create_task(client.get_bytes(server.url("/a")))
            asyncio.get_running_loop().call_later(0.05, resource.release)
            assert b"".join([piece async for piece in body]) == pattern_bytes(0, 2000)
        await other


async def test_unread_is_counted_from_the_last_piece(server: Server) -> None:
    now = 100.0
    resource = server.add("/slow", GeneratedContent(2000), stall_after=1000)
    async with HttpClient() as client, client.stream(server.url("/slow")) as body:
        assert isinstance(body, Body)
        body._time = lambda: now
        pieces = aiter(body)
        await anext(pieces)
        now += 3
        assert body.unread_seconds == 3
        waiting = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0)
        assert body.unread_seconds == 0
        resource.release()
        await waiting
        now += 1
        assert body.unread_seconds == 1


async def test_one_from_elsewhere_stays(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(giving_way, "UNREAD_SECONDS", 0)
    server.add("/long", GeneratedContent(SIZE))
    async with Server() as other, HttpClient(ONE) as client:
        other.add("/a", b"x")
        async with client.stream(server.url("/long")) as body:
            assert (await client.get_bytes(other.url("/a"))).body == b"x"
            assert isinstance(body, Body)
            assert body.connected


async def test_as_many_give_way_as_are_waited_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as they were left unread for long enough, which is looked at again and again."""
    monkeypatch.setattr(giving_way, "UNREAD_SECONDS", 0.02)
    monkeypatch.setattr(giving_way, "_LOOK_SECONDS", 0.001)
    server.add("/long", GeneratedContent(SIZE))
    server.add("/a", b"x", stall_head=True)
    async with HttpClient(NetOptions(connections_per_host=3)) as client, AsyncExitStack() as stack:
        streams = [client.stream(server.url("/long")) for _ in range(3)]
        bodies = [await stack.enter_async_context(stream) for stream in streams]
        waiting = [asyncio.create_task(client.get_bytes(server.url("/a"))) for _ in range(2)]
        await server.wait_for(lambda: len(server.requests) == 5)
        assert [body.connected for body in bodies if isinstance(body, Body)].count(True) == 1
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
