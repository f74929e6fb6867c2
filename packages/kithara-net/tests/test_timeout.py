import asyncio

import pytest

from kithara_net import HttpClient, Net, RangeSpec, RetryNet, RetryPolicy, TimedOut, TimeoutNet
from kithara_net.testing import Server, pattern_bytes

WHOLE = pattern_bytes(0, 100_000)


async def read(net: Net, url: str) -> bytes:
    async with net.stream(url) as body:
        return b"".join([piece async for piece in body])


async def test_it_is_a_net(server: Server, client: HttpClient) -> None:
    net: Net = TimeoutNet(client, 30)
    server.add("/a.mp3", WHOLE)
    url = server.url("/a.mp3")
    assert (await net.head(url)).total == 100_000
    assert (await net.get_bytes(url, byte_range=RangeSpec(5, 10))).body == WHOLE[5:10]
    assert await read(net, url) == WHOLE
    async with net.get_range(url, RangeSpec(10, 20)) as body:
        assert (body.head.start, [piece async for piece in body]) == (10, [WHOLE[10:20]])
    assert server.connections_opened == 1


async def test_silence_before_the_head(server: Server, client: HttpClient) -> None:
    server.add("/a", WHOLE, stall_head=True)
    net = TimeoutNet(client, 0.02)
    url = server.url("/a?token=secret")
    for call in (net.get_bytes(url), net.head(url), read(net, url)):
        with pytest.raises(TimedOut) as caught:
            await call
        assert (caught.value.phase, caught.value.seconds) == ("total", 0.02)
        assert caught.value.recoverable
        assert "secret" not in str(caught.value)


async def test_silence_in_the_body_closes_the_connection(
    server: Server, client: HttpClient
) -> None:
    server.add("/a", WHOLE, stall_after=1000)
    async with TimeoutNet(client, 0.05).get_range(server.url("/a"), RangeSpec(0)) as body:
        pieces = body.__aiter__()
        assert await anext(pieces) == WHOLE[:1000]
        for _ in range(2):
            with pytest.raises(TimedOut, match=r"0\.05"):
                await anext(pieces)
    await server.wait_for(lambda: server.connections == 0)


async def test_around_retries_and_inside(server: Server, client: HttpClient) -> None:
    server.add("/busy", status=503)
    patient = RetryNet(client, RetryPolicy(max_retries=1000, base_delay=1, max_delay=1))
    with pytest.raises(TimedOut):
        await TimeoutNet(patient, 0.05).head(server.url("/busy"))

    async def no_wait(_: float) -> None:
        return

    server.add("/slow", WHOLE, script=[{"stall_after": 1000}, {"stall_head": True}])
    each = RetryNet(TimeoutNet(client, 0.1), _sleep=no_wait)
    assert await read(each, server.url("/slow")) == WHOLE


async def test_cancelling_is_no_timeout(server: Server, client: HttpClient) -> None:
    server.add("/a", WHOLE, stall_after=1000)
    task = asyncio.ensure_future(read(TimeoutNet(client, 30), server.url("/a")))
    await server.wait_for(lambda: bool(server.requests) and server.requests[0].sent == 1000)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.wait_for(lambda: server.connections == 0)


def test_a_total_must_be_positive() -> None:
    for total in (0.0, -1.0):
        with pytest.raises(ValueError, match="positive"):
            TimeoutNet(HttpClient(), total)
