import asyncio
import gzip
import logging
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from kithara_net import (
    BadResponse,
    BodyCorrupt,
    BodyEncoded,
    BodyTooLarge,
    BodyTruncated,
    ByteStream,
    HttpClient,
    InvalidUrl,
    Net,
    NetClosed,
    NetError,
    NetOptions,
    RangeMismatch,
    RangeNotSatisfiable,
    RangeSpec,
    RedirectRefused,
    UnexpectedStatus,
)
from kithara_net.testing import Behaviour, GeneratedContent, Server, pattern_bytes

MIB = 1024 * 1024


@pytest.fixture
async def other() -> AsyncIterator[Server]:
    """A second server: another origin."""
    async with Server() as server:
        yield server


async def test_it_is_a_net(server: Server, client: HttpClient) -> None:
    net: Net = client
    server.add("/a.mp3", pattern_bytes(0, 1000))
    assert (await net.head(server.url("/a.mp3"))).total == 1000
    assert (await net.get_bytes(server.url("/a.mp3"))).body == pattern_bytes(0, 1000)
    async with net.get_range(server.url("/a.mp3"), RangeSpec(10, 20)) as body:
        assert [piece async for piece in body] == [pattern_bytes(10, 20)]
    async with net.stream(server.url("/a.mp3")) as body:
        assert (await anext(body.__aiter__()))[:10] == pattern_bytes(0, 10)


async def test_head(server: Server, client: HttpClient) -> None:
    server.add("/a.mp3", GeneratedContent(5 * MIB), etag="v1")
    head = await client.head(server.url("/a.mp3?x=1"))
    assert (head.status, head.start, head.stop, head.total) == (200, 0, 5 * MIB, 5 * MIB)
    assert head.final_url == server.url("/a.mp3?x=1")
    assert head.media_type == "audio/mpeg"
    assert head.accepts_ranges
    assert head.validator is not None
    assert head.validator.etag == '"v1"'
    assert head.headers["etag"] == '"v1"'


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (7, 100_000), (MIB - 1, None), (5, 2 * MIB)])
async def test_ranges(server: Server, client: HttpClient, start: int, stop: int | None) -> None:
    server.add("/a", GeneratedContent(MIB))
    async with client.get_range(server.url("/a"), RangeSpec(start, stop)) as body:
        got = b"".join([piece async for piece in body])
        end = min(stop or MIB, MIB)
        assert (body.head.status, body.head.start, body.head.stop) == (206, start, end)
        assert body.head.total == MIB
    assert got == pattern_bytes(start, end)
    assert server.requests[0].headers["Accept-Encoding"] == "identity"
    fetched = await client.get_bytes(server.url("/a"), byte_range=RangeSpec(start, stop))
    assert (fetched.body, fetched.head.start) == (got, start)
    assert server.requests[1].headers["Accept-Encoding"] == "identity"


async def test_a_server_that_ignores_ranges(server: Server, client: HttpClient) -> None:
    server.add("/a", pattern_bytes(0, 100), ignore_range=True)
    async with client.get_range(server.url("/a"), RangeSpec(10, 20)) as body:
        assert (body.head.status, body.head.start, body.head.stop) == (200, 0, 100)
        assert b"".join([piece async for piece in body]) == pattern_bytes(0, 100)


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(content_range="bytes 0-9/100"),
        Behaviour(content_range="bytes 11-19/100"),
        Behaviour(content_range="bytes 10-19/15"),
        Behaviour(content_range="nonsense"),
        Behaviour(headers=[("Content-Range", "bytes 10-19/100"), ("Content-Range", "bytes 0-9/9")]),
        Behaviour(content_length=11),
        Behaviour(status=206, headers={"X": "no Content-Range at all"}),
    ],
)
async def test_a_206_that_lies(server: Server, client: HttpClient, behaviour: Behaviour) -> None:
    server.add("/a", pattern_bytes(0, 100), **behaviour)
    with pytest.raises(RangeMismatch):
        async with client.get_range(server.url("/a"), RangeSpec(10, 20)):
            pytest.fail("a lie was believed")


async def test_a_206_of_unknown_total(server: Server, client: HttpClient) -> None:
    server.add("/a", pattern_bytes(0, 100), total_unknown=True)
    async with client.get_range(server.url("/a"), RangeSpec(10, 20)) as body:
        assert (body.head.stop, body.head.total) == (20, None)


async def test_beyond_the_end(server: Server, client: HttpClient) -> None:
    server.add("/a", b"x" * 100)
    with pytest.raises(RangeNotSatisfiable) as caught:
        await client.get_bytes(server.url("/a"), byte_range=RangeSpec(100))
    assert (caught.value.total, caught.value.byte_range) == (100, RangeSpec(100))


async def test_statuses(server: Server, client: HttpClient) -> None:
    server.add("/busy", status=503, headers={"Retry-After": "3"})
    for path, status in (("/missing?token=secret", 404), ("/busy", 503)):
        with pytest.raises(UnexpectedStatus) as caught:
            async with client.stream(server.url(path)):
                pytest.fail("there is no body")
        assert caught.value.status == status
        assert "secret" not in str(caught.value)
    assert caught.value.retry_after == 3


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"ICY 200 OK\r\n\r\nhello",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_not_http(server: Server, client: HttpClient, raw: bytes) -> None:
    server.add("/a", raw=raw)
    with pytest.raises(NetError) as caught:
        await client.get_bytes(server.url("/a?token=secret"))
    assert isinstance(caught.value, BadResponse | BodyTruncated)
    assert len(str(caught.value).splitlines()) == 1
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "aes128gcm"])
async def test_a_coded_body_is_refused(server: Server, client: HttpClient, coding: str) -> None:
    server.add("/a", b"x" * 100, encoding=coding)
    with pytest.raises(BodyEncoded) as caught:
        async with client.stream(server.url("/a")):
            pytest.fail("coded bytes were handed out")
    assert caught.value.encoding == coding
    with pytest.raises(BodyEncoded):
        await client.get_bytes(server.url("/a"), byte_range=RangeSpec(0, 10))


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_text_may_be_compressed(server: Server, client: HttpClient, coding: str) -> None:
    server.add("/a.m3u8", b"#EXTM3U\n" * 1000, encoding=coding)
    fetched = await client.get_bytes(server.url("/a.m3u8"))
    assert fetched.body == b"#EXTM3U\n" * 1000
    assert (fetched.head.stop, fetched.head.total) == (8000, 8000)
    assert server.requests[0].headers["Accept-Encoding"] == "gzip, deflate"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_bomb(server: Server, client: HttpClient, coding: str) -> None:
    server.add("/a", bytes(50 * MIB), encoding=coding)
    with pytest.raises(BodyTooLarge) as caught:
        await client.get_bytes(server.url("/a"), max_bytes=100_000)
    assert caught.value.max_bytes == 100_000
    assert not caught.value.recoverable


async def test_damaged_compression(server: Server, client: HttpClient) -> None:
    whole = gzip.compress(b"text" * 1000)
    server.add("/short", whole[:-3], headers={"Content-Encoding": "gzip"})
    server.add("/garbage", b"no gzip", headers={"Content-Encoding": "gzip"})
    for path in ("/short", "/garbage"):
        with pytest.raises(BodyCorrupt) as caught:
            await client.get_bytes(server.url(path))
        assert isinstance(caught.value.__cause__, zlib.error)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large(server: Server, client: HttpClient, chunked: bool) -> None:
    server.add("/a", GeneratedContent(64 * MIB), chunked=chunked)
    server.add("/fits", GeneratedContent(1000), chunked=chunked)
    with pytest.raises(BodyTooLarge):
        await client.get_bytes(server.url("/a"), max_bytes=999)
    with pytest.raises(BodyTooLarge):
        await client.get_bytes(server.url("/fits"), max_bytes=999)
    assert len((await client.get_bytes(server.url("/fits"), max_bytes=1000)).body) == 1000
    assert server.requests_for("/a")[0].sent < 32 * MIB


async def test_a_short_whole_body(server: Server, client: HttpClient) -> None:
    server.add("/a", b"x" * 100, cut_after=60)
    with pytest.raises(BodyTruncated) as caught:
        await client.get_bytes(server.url("/a"))
    assert (caught.value.received, caught.value.expected) == (60, 100)


# connections


async def test_a_connection_is_used_again_after_a_whole_body(
    server: Server, client: HttpClient
) -> None:
    server.add("/a", GeneratedContent(MIB))
    server.add("/chunked", GeneratedContent(MIB), chunked=True)
    server.add("/redirect", redirect="/a")
    for path in ("/a", "/chunked", "/redirect"):
        async with client.stream(server.url(path)) as body:
            async for _ in body:
                pass
        await client.head(server.url(path))
    async with client.get_range(server.url("/a"), RangeSpec(0, 5)) as body:
        assert await anext(body.__aiter__()) == pattern_bytes(0, 5)
    await client.head(server.url("/a"))
    assert server.connections_opened == 1


@pytest.mark.parametrize("taken", [0, 1])
async def test_leaving_early_closes_the_connection(
    server: Server, client: HttpClient, taken: int
) -> None:
    server.add("/a", GeneratedContent(64 * MIB))
    async with client.stream(server.url("/a")) as body:
        iterator = body.__aiter__()
        for _ in range(taken):
            await anext(iterator)
    await server.wait_for(lambda: server.connections == 0)
    assert not server.requests[0].finished
    await client.head(server.url("/a"))
    assert server.connections_opened == 2


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced(
    server: Server, client: HttpClient
) -> None:
    server.add("/a", b"x", close=True)
    for _ in range(3):
        assert (await client.get_bytes(server.url("/a"))).body == b"x"
    assert server.connections_opened == 3


async def test_connections_per_host(server: Server) -> None:
    resource = server.add("/a", b"x", stall_head=True)
    async with HttpClient(NetOptions(connections_per_host=2)) as client:
        fetches = [asyncio.create_task(client.get_bytes(server.url("/a"))) for _ in range(5)]
        await server.wait_for(lambda: len(server.requests) == 2)
        resource.release()
        await asyncio.gather(*fetches)
        assert len(server.requests) == 5
        assert server.connections_opened == 2


async def fetch_some(client: HttpClient, url: str) -> None:
    async with client.stream(url) as body:
        async for _ in body:
            pass


async def fetch_part(client: HttpClient, url: str) -> None:
    async with client.get_range(url, RangeSpec(5)) as body:
        async for _ in body:
            pass


async def fetch_whole(client: HttpClient, url: str) -> None:
    await client.get_bytes(url)


async def fetch_head(client: HttpClient, url: str) -> None:
    await client.head(url)


@pytest.mark.parametrize("fetch", [fetch_some, fetch_part, fetch_whole, fetch_head])
@pytest.mark.parametrize("behaviour", [Behaviour(stall_head=True), Behaviour(stall_after=1000)])
async def test_cancelling_leaves_no_connection(
    server: Server,
    client: HttpClient,
    fetch: Callable[[HttpClient, str], Awaitable[None]],
    behaviour: Behaviour,
) -> None:
    if fetch is fetch_head:
        behaviour = Behaviour(stall_head=True)
    server.add("/a", GeneratedContent(2000), **behaviour)
    task = asyncio.ensure_future(fetch(client, server.url("/a")))
    where = 1000 if "stall_after" in behaviour else 0
    await server.wait_for(lambda: bool(server.requests) and server.requests[0].sent == where)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.wait_for(lambda: server.connections == 0)


async def test_cancelling_after_any_number_of_steps_leaves_no_connection(
    server: Server, client: HttpClient
) -> None:
    server.add("/a", GeneratedContent(200_000))
    server.add("/r", redirect="/a")
    finished = False
    steps = 0
    while not finished:
        steps += 1
        task = asyncio.ensure_future(fetch_some(client, server.url("/r")))
        for _ in range(steps):
            loop_turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(loop_turn.set_result, None)
            await loop_turn
        task.cancel()
        try:
            await task
            finished = True
        except asyncio.CancelledError:
            pass
    assert steps > 5
    # Whatever is still open is idle in the pool: one more request uses it or opens one.
    await client.head(server.url("/a"))
    await server.wait_for(lambda: server.connections <= 1)


# closing


async def test_closing_the_client(server: Server) -> None:
    server.add("/a", GeneratedContent(2000), stall_after=1000)
    server.add("/never", b"x", stall_head=True)
    client = HttpClient()
    streaming = asyncio.ensure_future(fetch_some(client, server.url("/a")))
    waiting = asyncio.ensure_future(fetch_whole(client, server.url("/never")))
    await server.wait_for(lambda: sum(r.sent for r in server.requests) == 1000)
    await server.wait_for(lambda: len(server.requests) == 2)
    await client.aclose()
    await client.aclose()
    for task in (streaming, waiting):
        with pytest.raises(NetClosed):
            await task
    with pytest.raises(NetClosed):
        await client.head(server.url("/a"))
    await server.wait_for(lambda: server.connections == 0)


async def test_a_client_that_was_never_used_can_be_closed() -> None:
    await HttpClient().aclose()
    client = HttpClient()
    await client.aclose()
    with pytest.raises(NetClosed):
        await client.head("http://127.0.0.1:1/")


async def test_an_injected_session_is_used_and_not_closed(server: Server) -> None:
    server.add("/a", GeneratedContent(64 * MIB))
    headers = {"User-Agent": "theirs", "X-Theirs": "1"}
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
        async with HttpClient(session=session) as client:
            await client.head(server.url("/a"))
            async with client.stream(server.url("/a")) as body:
                await anext(body.__aiter__())
                await client.aclose()
                with pytest.raises(NetClosed):
                    await fetch_to_the_end(body)
            with pytest.raises(NetClosed):
                await client.head(server.url("/a"))
        assert not session.closed
        async with HttpClient(session=session) as client:
            with pytest.raises(UnexpectedStatus):
                await client.head(server.url("/missing"))
    assert server.requests[0].headers["User-Agent"] == "theirs"
    assert server.requests[0].headers["X-Theirs"] == "1"


async def fetch_to_the_end(body: ByteStream) -> None:
    async for _ in body:
        pass


async def test_a_session_closed_under_a_stream_is_not_an_end(server: Server) -> None:
    server.add("/a", GeneratedContent(MIB), close_delimited=True, stall_after=1000)
    session = aiohttp.ClientSession()
    client = HttpClient(NetOptions(stall_timeout=5), session)
    async with client, client.stream(server.url("/a")) as body:
        await anext(body.__aiter__())
        await session.close()
        with pytest.raises(NetClosed):
            await fetch_to_the_end(body)


# requests


async def test_headers(server: Server) -> None:
    server.add("/a", b"x")
    options = NetOptions(user_agent="me/1", headers={"X-A": "option", "X-B": "option"})
    async with HttpClient(options) as client:
        await client.get_bytes(server.url("/a"), headers={"x-a": "call"})
        sent = server.requests[0].headers
        assert (sent["X-A"], sent["X-B"], sent["User-Agent"]) == ("call", "option", "me/1")
        await client.head(server.url("/a"), headers={"user-agent": "call"})
        assert server.requests[1].headers.getall("User-Agent") == ["call"]
        for name in ("Range", "accept-encoding"):
            with pytest.raises(ValueError, match=name):
                await client.get_bytes(server.url("/a"), headers={name: "x"})


async def test_a_signed_url_arrives_as_it_is(server: Server, client: HttpClient) -> None:
    server.add("/a%2Fb/~c,d", b"x")
    server.add("/r", redirect="/a%2Fb/~c,d?sig=1%2C2%3D+%7e")
    for path in ("/a%2Fb/~c,d?sig=1%2C2%3D+%7e", "/r"):
        fetched = await client.get_bytes(server.url(path))
        assert fetched.head.final_url == server.url("/a%2Fb/~c,d?sig=1%2C2%3D+%7e")
        assert server.requests[-1].path == "/a%2Fb/~c,d"
        assert server.requests[-1].query == "sig=1%2C2%3D+%7e"


async def test_a_log_line_has_no_secret(
    server: Server, client: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    server.add("/a", b"x")
    with caplog.at_level(logging.DEBUG):
        await client.get_bytes(server.url("/a?token=secret").replace("//", "//user:secret@"))
    assert "/a?…: 200" in caplog.text
    assert "secret" not in caplog.text


# redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(
    server: Server, client: HttpClient, other: Server, status: int
) -> None:
    other.add("/final.mp3", pattern_bytes(0, 100))
    server.add("/a", redirect="b?x=1", status=status)
    server.add("/b", redirect=other.url("/final.mp3?y=2#top"), status=status)
    async with client.get_range(server.url("/a"), RangeSpec(10, 20)) as body:
        assert body.head.final_url == other.url("/final.mp3?y=2")
        assert [piece async for piece in body] == [pattern_bytes(10, 20)]
    assert other.requests[0].byte_range == RangeSpec(10, 20)
    assert other.requests[0].headers["Accept-Encoding"] == "identity"


async def test_redirect_loops(server: Server) -> None:
    server.add("/a", redirect="/b")
    server.add("/b", redirect="/a")
    server.add("/c", redirect="/d")
    server.add("/d", b"x")
    async with HttpClient(NetOptions(max_redirects=3)) as client:
        with pytest.raises(RedirectRefused, match="more than 3"):
            await client.get_bytes(server.url("/a"))
        assert len(server.requests) == 4
    async with HttpClient(NetOptions(max_redirects=1)) as client:
        await client.get_bytes(server.url("/c"))
    async with HttpClient(NetOptions(max_redirects=0)) as client:
        with pytest.raises(RedirectRefused):
            await client.get_bytes(server.url("/c"))


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd?token=secret",
        "ftp://h/a",
        "data:audio/mp3;base64,AA",
        "http://h:x/a",
        "http://",
        "javascript:alert(1)",
        "",
    ],
)
async def test_redirects_that_are_refused(
    server: Server, client: HttpClient, location: str
) -> None:
    server.add("/a", redirect=location)
    with pytest.raises(RedirectRefused) as caught:
        await client.get_bytes(server.url("/a"))
    assert "secret" not in str(caught.value)
    assert not caught.value.recoverable


async def test_a_redirect_to_nowhere(server: Server, client: HttpClient) -> None:
    server.add("/a", raw=b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(RedirectRefused) as caught:
        await client.get_bytes(server.url("/a"))
    assert caught.value.location is None


SECRETS = ("Authorization", "Cookie", "Proxy-Authorization")


async def test_credentials_stay_with_their_origin(server: Server, other: Server) -> None:
    server.add("/a", redirect="/same")
    server.add("/same", redirect=other.url("/b"))
    other.add("/b", redirect=server.url("/c"))
    server.add("/c", b"x")
    options = NetOptions(headers={"authorization": "secret", "X-Other": "kept"})
    async with HttpClient(options) as client:
        headers = {"Cookie": "secret", "Proxy-Authorization": "secret"}
        await client.get_bytes(server.url("/a"), headers=headers)
        await client.get_bytes(server.url("/c"), headers=headers)
    first, same, back, direct = server.requests
    for request in (first, same, direct):
        assert all(request.headers[name] == "secret" for name in SECRETS)
    for request in (*other.requests, back):
        assert not any(name in request.headers for name in SECRETS)
        assert request.headers["X-Other"] == "kept"


async def test_user_info_is_a_credential(server: Server, client: HttpClient, other: Server) -> None:
    server.add("/a", redirect="/same")
    server.add("/same", redirect=other.url("/b").replace("//", "//eve:x@"))
    other.add("/b", b"x")
    fetched = await client.get_bytes(server.url("/a").replace("//", "//user:pw@"))
    assert [r.headers["Authorization"] for r in server.requests] == ["Basic dXNlcjpwdw=="] * 2
    assert "Authorization" not in other.requests[0].headers
    assert fetched.head.final_url == other.url("/b")
    url = server.url("/missing").replace("//", "//user:pw@")
    with pytest.raises(UnexpectedStatus) as caught:
        await client.get_bytes(url, headers={"authorization": "mine"})
    assert server.requests[-1].headers.getall("Authorization") == ["mine"]
    assert "pw" not in str(caught.value)


async def test_urls_that_cannot_be_fetched(client: HttpClient) -> None:
    for url in ("file:///etc/passwd", "song.mp3", "http://"):
        with pytest.raises(InvalidUrl):
            await client.head(url)
