import asyncio
import sys

import pytest

from kithara_net import (
    BodyTruncated,
    ByteStream,
    HttpClient,
    NetClosed,
    NetOptions,
    RangeMismatch,
    RangeSpec,
    TimedOut,
)
from kithara_net._body import READ_SIZE, read_size
from kithara_net.testing import GeneratedContent, Server, pattern_bytes

MIB = 1024 * 1024


async def collect(body: ByteStream) -> bytes:
    return b"".join([piece async for piece in body])


async def collect_until_error(body: ByteStream) -> tuple[bytes, Exception]:
    got = bytearray()
    try:
        async for piece in body:
            got += piece
    except (BodyTruncated, TimedOut, RangeMismatch, NetClosed) as exc:
        return bytes(got), exc
    pytest.fail("the body ended well")


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_a_whole_body(server: Server, client: HttpClient, framing: str) -> None:
    server.add(
        "/a",
        GeneratedContent(3 * MIB + 5),
        chunked=framing == "chunked",
        close_delimited=framing == "close",
    )
    async with client.stream(server.url("/a")) as body:
        assert body.head.total == (3 * MIB + 5 if framing == "length" else None)
        assert await collect(body) == pattern_bytes(0, 3 * MIB + 5)
        assert await collect(body) == b""


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_an_empty_body(server: Server, client: HttpClient, framing: str) -> None:
    server.add("/a", chunked=framing == "chunked", close_delimited=framing == "close")
    async with client.stream(server.url("/a")) as body:
        assert await collect(body) == b""


@pytest.mark.parametrize("how", ["cut_after", "reset_after"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("after", [0, 1, 100_000, MIB])
async def test_what_came_before_the_break_is_delivered(
    server: Server, client: HttpClient, how: str, framing: str, after: int
) -> None:
    resource = server.add("/a", GeneratedContent(MIB + 1), chunked=framing == "chunked")
    if how == "cut_after":
        resource.behaviour["cut_after"] = after
    else:
        resource.behaviour["reset_after"] = after
    async with client.stream(server.url("/a?token=secret")) as body:
        got, error = await collect_until_error(body)
        # A reset loses what is still on the way; a clean close does not.
        assert got == pattern_bytes(0, after if how == "cut_after" else len(got))
        assert len(got) <= after
        assert isinstance(error, BodyTruncated)
        assert error.received == len(got)
        assert error.expected == (MIB + 1 if framing == "length" else None)
        assert error.recoverable
        assert "secret" not in str(error)
        with pytest.raises(BodyTruncated) as again:
            await collect(body)
        assert again.value is error


@pytest.mark.parametrize("how", ["cut_after", "reset_after"])
async def test_what_arrived_while_nobody_asked_is_delivered(
    server: Server, client: HttpClient, how: str
) -> None:
    resource = server.add("/a", GeneratedContent(100_000), stall_after=50_000)
    if how == "cut_after":
        resource.behaviour["cut_after"] = 50_001
    else:
        resource.behaviour["reset_after"] = 50_001
    async with client.stream(server.url("/a")) as body:
        iterator = body.__aiter__()
        got = b""
        while len(got) < 50_000:
            got += await anext(iterator)
        resource.release()
        await server.wait_for(lambda: server.connections == 0)
        # A whole exchange later our loop has seen the break as well.
        await client.head(server.url("/a"))
        rest, error = await collect_until_error(body)
    assert got + rest == pattern_bytes(0, 50_001)
    assert isinstance(error, BodyTruncated)
    assert error.received == 50_001


async def test_a_reset_does_not_end_a_body_that_closing_ends(
    server: Server, client: HttpClient
) -> None:
    server.add("/a", GeneratedContent(MIB), close_delimited=True, reset_after=300_000)
    async with client.stream(server.url("/a")) as body:
        got, error = await collect_until_error(body)
    assert got == pattern_bytes(0, len(got))
    assert isinstance(error, BodyTruncated)
    assert error.expected is None


async def test_closing_our_side_does_not_end_a_body_that_closing_ends(server: Server) -> None:
    server.add("/a", GeneratedContent(MIB), close_delimited=True, stall_after=1000)
    async with HttpClient() as client, client.stream(server.url("/a")) as body:
        waiting = asyncio.create_task(collect_until_error(body))
        await server.wait_for(lambda: server.requests[0].sent == 1000 if server.requests else False)
        await client.aclose()
        _, error = await waiting
    assert isinstance(error, NetClosed)


async def test_less_than_the_range_in_chunks(server: Server, client: HttpClient) -> None:
    server.add("/a", pattern_bytes(0, 10), chunked=True, content_range="bytes 0-19/20")
    async with client.get_range(server.url("/a"), RangeSpec(0, 20)) as body:
        got, error = await collect_until_error(body)
    assert got == pattern_bytes(0, 10)
    assert isinstance(error, BodyTruncated)
    assert (error.received, error.expected) == (10, 20)


async def test_more_than_the_range_in_chunks(server: Server, client: HttpClient) -> None:
    server.add("/a", pattern_bytes(0, 20), chunked=True, content_range="bytes 0-9/10")
    async with client.get_range(server.url("/a"), RangeSpec(0, 20)) as body:
        got, error = await collect_until_error(body)
    assert len(got) <= 10
    assert isinstance(error, RangeMismatch)


async def test_a_stall_is_noticed_only_while_somebody_waits(server: Server) -> None:
    resource = server.add("/a", GeneratedContent(2000), stall_after=1000)
    options = NetOptions(stall_timeout=0.4, first_byte_timeout=0.4)
    async with HttpClient(options) as client, client.stream(server.url("/a")) as body:
        iterator = body.__aiter__()
        got = await anext(iterator)
        while len(got) < 1000:
            got += await anext(iterator)
        # More than twice the limit passes without anybody asking for a byte.
        deadline: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.9, deadline.set_result, None)
        await deadline
        resource.release()
        assert got + await collect(body) == pattern_bytes(0, 2000)


async def test_a_stall(server: Server) -> None:
    server.add("/a", GeneratedContent(2000), stall_after=1000)
    options = NetOptions(stall_timeout=0.2, preconnect=False)
    async with HttpClient(options) as client, client.stream(server.url("/a")) as body:
        got, error = await collect_until_error(body)
        assert got == pattern_bytes(0, 1000)
        assert isinstance(error, TimedOut)
        assert (error.phase, error.recoverable) == ("stall", True)
        await server.wait_for(lambda: server.connections == 0)


async def test_a_paused_consumer_holds_the_server_back() -> None:
    size = 64 * MIB
    async with Server(send_buffer=64 * 1024) as server, HttpClient() as client:
        server.add("/big", GeneratedContent(size))
        server.add("/other", GeneratedContent(24 * MIB))
        async with client.stream(server.url("/big")) as body:
            pieces = aiter(body)
            first = await anext(pieces)
            # All this goes through the same loop meanwhile; a client that reads on would, too.
            async with client.stream(server.url("/other")) as other:
                async for _ in other:
                    pass
            record = server.requests_for("/big")[0]
            assert record.sent < 12 * MIB
            waiting = await anext(pieces)
            assert 384 * 1024 <= len(waiting) <= 768 * 1024
            received = position = len(first) + len(waiting)
            async for piece in pieces:
                if position % (8 * MIB) < len(piece):
                    assert piece == pattern_bytes(position, position + len(piece))
                position += len(piece)
                received += len(piece)
        assert received == size == record.sent


async def test_pieces_are_handed_on_before_the_body_is_whole(
    server: Server, client: HttpClient
) -> None:
    resource = server.add("/a", GeneratedContent(1000), stall_after=10)
    async with client.stream(server.url("/a")) as body:
        assert await anext(body.__aiter__()) == pattern_bytes(0, 10)
        resource.release()
        assert await collect(body) == pattern_bytes(10, 1000)


async def test_a_stream_is_of_no_use_outside_its_context(
    server: Server, client: HttpClient
) -> None:
    server.add("/a", GeneratedContent(MIB))
    async with client.stream(server.url("/a")) as body:
        await anext(body.__aiter__())
    with pytest.raises(NetClosed):
        await anext(body.__aiter__())


async def test_two_readers_of_one_stream_are_a_mistake_not_a_short_body(
    server: Server, client: HttpClient
) -> None:
    resource = server.add("/a", GeneratedContent(1000), stall_after=0)
    async with client.stream(server.url("/a")) as body:
        first = asyncio.create_task(collect(body))
        await server.wait_for(lambda: server.requests[0].status is not None)
        second = asyncio.create_task(collect(body))
        with pytest.raises(RuntimeError):
            await second
        resource.release()
        assert await first == pattern_bytes(0, 1000)


if sys.platform == "linux":
    import os

    async def test_nothing_is_left_open(server: Server) -> None:
        server.add("/a", GeneratedContent(MIB))
        before = len(os.listdir("/proc/self/fd"))
        async with HttpClient() as client:
            for _ in range(3):
                async with client.stream(server.url("/a")) as body:
                    await anext(body.__aiter__())
                await client.get_bytes(server.url("/a"))
        await server.wait_for(lambda: server.connections == 0)
        assert len(os.listdir("/proc/self/fd")) == before


def test_many_bodies_share_what_is_read_in_one_round_of_the_loop() -> None:
    assert read_size(1) == READ_SIZE
    assert 32 * read_size(32) == 4 * MIB
    assert 200 * read_size(200) <= 13 * MIB  # less at once costs more than it helps
