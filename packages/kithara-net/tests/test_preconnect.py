"""A second connection, open before anybody asks for it."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from yarl import URL

from kithara_net import HttpClient, NetOptions, RangeSpec
from kithara_net import _preconnect as preconnect
from kithara_net._preconnect import Preconnector
from kithara_net.testing import GeneratedContent, Server

SIZE = 10_000_000  # more than what is on its way while nobody reads


@pytest.fixture
async def client(server: Server) -> AsyncIterator[HttpClient]:
    async with HttpClient() as client:
        yield client


async def test_a_request_beside_a_body_finds_a_connection(server: Server) -> None:
    server.add("/a", GeneratedContent(SIZE))
    client = HttpClient(NetOptions(connections_per_host=2))
    async with client, client.get_range(server.url("/a"), RangeSpec(0)):
        await server.wait_for(lambda: server.connections == 2)
        for start in (5, 7):
            await client.get_bytes(server.url("/a"), byte_range=RangeSpec(start, start + 10))
    assert server.connections_opened == 2


async def test_the_one_that_was_taken_is_replaced(server: Server) -> None:
    for path in ("/a", "/b"):
        server.add(path, GeneratedContent(SIZE))
    client = HttpClient(NetOptions(connections_per_host=3))
    async with client, client.stream(server.url("/a")):
        await server.wait_for(lambda: server.connections == 2)
        async with client.stream(server.url("/b")):
            await server.wait_for(lambda: server.connections == 3)
            await client.get_bytes(server.url("/a"), byte_range=RangeSpec(5, 15))
    assert server.connections_opened == 3


async def test_it_waits_on_the_origin_that_a_redirect_led_to(client: HttpClient) -> None:
    async with Server() as first, Server() as second:
        first.add("/a", redirect=second.url("/b"))
        second.add("/b", GeneratedContent(SIZE))
        async with client.get_range(first.url("/a"), RangeSpec(0)):
            await second.wait_for(lambda: second.connections == 2)


async def fetch(client: HttpClient, url: str, byte_range: RangeSpec) -> None:
    async with client.get_range(url, byte_range) as body:
        async for _ in body:
            pass


@pytest.mark.parametrize(
    ("options", "byte_range"),
    [(NetOptions(preconnect=False), RangeSpec(0)), (NetOptions(), RangeSpec(0, 100_000))],
)
async def test_where_it_is_not_wanted(
    server: Server, options: NetOptions, byte_range: RangeSpec
) -> None:
    server.add("/a", GeneratedContent(100_000))
    async with HttpClient(options) as client:
        for _ in range(10):
            await fetch(client, server.url("/a"), byte_range)
    assert server.connections_opened == 1


async def test_an_injected_session_makes_its_own_connections(server: Server) -> None:
    server.add("/a", GeneratedContent(100_000))
    async with aiohttp.ClientSession() as session:
        for _ in range(10):
            await fetch(HttpClient(session=session), server.url("/a"), RangeSpec(0))
    assert server.connections_opened == 1


async def test_one_that_the_server_closed_is_replaced(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preconnect, "_RENEW_SECONDS", 0)
    server.add("/a", b"x", close=True)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        ahead = Preconnector(session, 5)
        ahead.keep(URL(server.url("/a")))
        await server.wait_for(lambda: server.connections_opened == 1)
        async with session.get(server.url("/a")):  # there is no other connection to take
            pass
        await server.wait_for(lambda: server.connections_opened == 2)
        await ahead.aclose()
    assert server.requests[0].connection == 1


async def test_a_server_that_cannot_be_reached_is_left_to_the_requests() -> None:
    async with aiohttp.ClientSession() as session:
        ahead = Preconnector(session, 5)
        async with asyncio.timeout(5):
            await ahead.keep(URL("http://127.0.0.1:1/"))
