import asyncio
import gc
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from kithara_net import HttpClient, NetClosed, NetRequest, RangeSpec, RetryNet, UnexpectedStatus
from kithara_net.testing import Server, pattern_bytes

WHOLE = pattern_bytes(0, 10_000)


@pytest.fixture
async def other() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server


async def test_every_request_is_signed(server: Server) -> None:
    seen: list[NetRequest] = []

    def sign(request: NetRequest) -> NetRequest:
        seen.append(request)
        headers = {**request.headers, "X-Token": str(len(seen))}
        return replace(request, url=f"{request.url}?sig={len(seen)}", headers=headers)

    server.add("/a", WHOLE, script=[{}, {"cut_after": 1000}])
    async with HttpClient(sign=sign) as client:
        await client.head(server.url("/a"), headers={"X-Own": "kept"})

        async def no_wait(_: float) -> None:
            return

        net = RetryNet(client, _sleep=no_wait)
        async with net.get_range(server.url("/a"), RangeSpec(500)) as body:
            # Signatures differ, the file does not.
            assert b"".join([piece async for piece in body]) == WHOLE[500:]
    assert [request.query for request in server.requests] == ["sig=1", "sig=2", "sig=3"]
    assert [request.headers["X-Token"] for request in server.requests] == ["1", "2", "3"]
    assert server.requests[0].headers["X-Own"] == "kept"
    assert [(r.method, r.byte_range, r.refused) for r in seen] == [
        ("HEAD", None, None),
        ("GET", RangeSpec(500), None),
        ("GET", RangeSpec(1500, 10_000), None),
    ]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_renewed_once(server: Server, status: int) -> None:
    refusals: list[int | None] = []

    async def sign(request: NetRequest) -> NetRequest:
        refusals.append(request.refused)
        token = "old" if request.refused is None else "new"
        return replace(request, url=f"{request.url}?token={token}")

    server.add("/a?token=old", status=status)
    server.add("/a?token=new", WHOLE)
    server.add("/b", status=status)
    async with HttpClient(sign=sign) as client:
        assert (await client.get_bytes(server.url("/a"))).body == WHOLE
        with pytest.raises(UnexpectedStatus) as caught:
            await client.get_bytes(server.url("/b"))
    assert caught.value.status == status
    assert "token" not in str(caught.value)
    assert refusals == [None, status, None, status]


async def test_signed_headers_stay_with_the_origin(server: Server, other: Server) -> None:
    def sign(request: NetRequest) -> NetRequest:
        return replace(request, headers={**request.headers, "X-Token": "secret"})

    other.add("/b", b"x")
    server.add("/a", redirect="/same")
    server.add("/same", redirect=other.url("/b"))
    async with HttpClient(sign=sign) as client:
        await client.get_bytes(server.url("/a"), headers={"X-Own": "kept"})
    assert [request.headers["X-Token"] for request in server.requests] == ["secret"] * 2
    assert "X-Token" not in other.requests[0].headers
    assert other.requests[0].headers["X-Own"] == "kept"


async def test_what_signing_may_not_do(server: Server) -> None:
    def take_over(request: NetRequest) -> NetRequest:
        return replace(request, headers={"Range": "bytes=0-"})

    def give_up(request: NetRequest) -> NetRequest:
        raise LookupError("no token")

    async with HttpClient(sign=take_over) as client:
        with pytest.raises(ValueError, match="Range"):
            await client.head(server.url("/a"))
    async with HttpClient(sign=give_up) as client:
        with pytest.raises(LookupError, match="no token"):
            await RetryNet(client).head(server.url("/a"))
    assert server.requests == []


async def test_an_injected_session_is_signed_too(server: Server) -> None:
    def sign(request: NetRequest) -> NetRequest:
        return replace(request, headers={"Authorization": "Bearer secret"})

    server.add("/a", b"x")
    async with aiohttp.ClientSession() as session, HttpClient(session=session, sign=sign) as client:
        await client.get_bytes(server.url("/a"))
    assert server.requests[0].headers["Authorization"] == "Bearer secret"


async def test_a_client_that_is_closed_while_a_request_is_signed(server: Server) -> None:
    asked, signed = asyncio.Event(), asyncio.Event()

    async def sign(request: NetRequest) -> NetRequest:
        asked.set()
        await signed.wait()
        return request

    client = HttpClient(sign=sign)
    request = asyncio.create_task(client.head(server.url("/a")))
    await asked.wait()
    await client.aclose()
    signed.set()
    with pytest.raises(NetClosed):
        await request
    sessions = [made for made in gc.get_objects() if isinstance(made, aiohttp.ClientSession)]
    assert all(session.closed for session in sessions)


def test_a_request_shows_no_secret() -> None:
    request = NetRequest(
        method="GET",
        url="https://user:secret@host/a?token=secret",
        headers={"Authorization": "secret"},
        byte_range=RangeSpec(1),
    )
    assert "secret" not in repr(request)
    assert "host/a" in repr(request)
