"""Bodies over several answers: any way of breaking, cancelled anywhere, many at once."""

import asyncio
from collections.abc import Callable
from statistics import median

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kithara_net import (
    ContentChanged,
    HttpClient,
    Net,
    NetError,
    NetOptions,
    RangeMismatch,
    RangeSpec,
    RetryNet,
    RetryPolicy,
)
from kithara_net.testing import Behaviour, GeneratedContent, Server, pattern_bytes

PROMPT = 1.0  # seconds: a tenth of it on an idle machine; who hangs takes longer by far

SIZE = 5000
WHOLE = pattern_bytes(0, SIZE)
OTHER = WHOLE.translate(bytes(range(255, -1, -1)))


async def no_wait(_: float) -> None:
    return


async def read(net: Net, url: str, byte_range: RangeSpec | None = None) -> bytes:
    opened = net.stream(url) if byte_range is None else net.get_range(url, byte_range)
    async with opened as body:
        return b"".join([piece async for piece in body])


# any way of breaking


def behaviours() -> st.SearchStrategy[Behaviour]:
    """An answer that may be right, broken, about another version, or a lie."""
    counts = st.integers(0, SIZE)
    flags = st.just(True)
    return st.fixed_dictionaries(
        {},
        optional={
            "cut_after": counts,
            "reset_after": counts,
            "stall_after": counts,
            "piece_size": st.integers(100, SIZE),
            "chunked": flags,
            "close_delimited": flags,
            "http10": flags,
            "ignore_range": flags,
            "ignore_if_range": flags,
            "rotate_etag": flags,
            "total_unknown": flags,
            "new_content": st.sampled_from([OTHER, WHOLE + b"more", WHOLE[:2000], OTHER[:2000]]),
            "new_etag": st.sampled_from(["", "v1", 'W/"v1"']),
            "status": st.sampled_from([403, 416, 503]),
            "content_range": st.sampled_from(["bytes 0-9/10", "bytes */*", "x"]),
            "omit": st.sampled_from([("ETag",), ("Content-Range",), ("Accept-Ranges",)]),
        },
    ).filter(usual)  # type: ignore[return-value] # the keys are those of Behaviour


def usual(behaviour: dict[str, object]) -> bool:
    """Two misdeeds at most in one answer, and none that no client could see through."""
    if len(behaviour) > 2:
        return False
    # Closing cleanly is how such a body ends, and nothing told that there was more.
    unprovable = "close_delimited" in behaviour and (
        "omit" in behaviour or "ignore_range" in behaviour
    )
    # The tag of one version on another one's bytes.
    false_tag = "new_content" in behaviour and behaviour.get("new_etag") == "v1"
    return not unprovable and not false_tag


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    script=st.lists(behaviours(), max_size=6),
    etag=st.sampled_from(["auto", "", 'W/"v1"']),
    start=st.sampled_from([None, 0, 1000]),
    stop=st.sampled_from([None, 4000]),
)
async def test_the_bytes_of_one_version_or_a_typed_error(
    script: list[Behaviour], etag: str, start: int | None, stop: int | None
) -> None:
    byte_range = None if start is None else RangeSpec(start, stop)
    contents = [WHOLE, *(kept["new_content"] for kept in script if "new_content" in kept)]
    async with Server() as server, HttpClient(NetOptions(stall_timeout=0.02)) as client:
        server.add("/a", WHOLE, etag=etag, script=script)
        net = RetryNet(client, RetryPolicy(max_retries=3), _sleep=no_wait)
        got = bytearray()
        head = None
        opened = (
            net.stream(server.url("/a"))
            if byte_range is None
            else net.get_range(server.url("/a"), byte_range)
        )
        try:
            async with opened as body:
                head = body.head
                async for piece in body:
                    got += piece
            ended = True
        except NetError:
            ended = False
        if head is None:
            assert not got
            return
        end = stop if head.status == 206 else None
        whole = [content[head.start : end] for content in contents if isinstance(content, bytes)]
        if ended:
            assert bytes(got) in whole
        else:
            # Whatever was handed on before the error is of one version, too.
            assert any(content.startswith(got) for content in whole)


async def test_a_range_that_is_all_there_needs_no_goodbye(server: Server) -> None:
    for broken in (Behaviour(cut_after=1000), Behaviour(stall_after=1000)):
        server.add("/a", WHOLE, script=[{**broken, "chunked": True}])
        server.requests.clear()
        async with HttpClient(NetOptions(stall_timeout=0.05)) as client:
            net = RetryNet(client, _sleep=no_wait)
            assert await read(net, server.url("/a"), RangeSpec(0, 1000)) == WHOLE[:1000]
        assert len(server.requests) == 1


# what may not be continued


async def test_a_body_longer_than_it_said_is_not_continued(server: Server) -> None:
    """The bytes before the excess were handed on, and may be as wrong as the rest."""
    head = b"HTTP/1.1 206 Partial Content\r\nTransfer-Encoding: chunked\r\n"
    told = b"Content-Range: bytes 10-19/5000\r\n\r\n"
    lie = head + told + b"5\r\nwrong\r\n" + b"f\r\n" + b"x" * 15 + b"\r\n0\r\n\r\n"
    server.add("/a", WHOLE, script=[{"raw": lie}])
    async with HttpClient() as client:
        net = RetryNet(client, _sleep=no_wait)
        with pytest.raises(RangeMismatch):
            await read(net, server.url("/a"), RangeSpec(10, 20))
    assert len(server.requests) == 1


async def test_a_new_tag_counts_though_the_bytes_before_the_break_are_equal(
    server: Server,
) -> None:
    """A player that edits the title of a song: the same size, and the same music."""
    cut: Behaviour = {"cut_after": 3000}
    server.add("/a", b"new title" + WHOLE[9:], script=[{**cut, "new_content": WHOLE}])
    async with HttpClient() as client:
        net = RetryNet(client, RetryPolicy(probe_size=100), _sleep=no_wait)
        with pytest.raises(ContentChanged):
            await read(net, server.url("/a"))


async def test_a_change_tells_both_versions(server: Server) -> None:
    cut: Behaviour = {"cut_after": 1000, "new_etag": "v1"}
    server.add("/a", OTHER + b"!", etag="v2", script=[{**cut, "new_content": WHOLE}])
    async with HttpClient() as client:
        net = RetryNet(client, _sleep=no_wait)
        async with net.stream(server.url("/a?token=secret")) as body:
            pieces = body.__aiter__()
            assert await anext(pieces) == WHOLE[:1000]
            with pytest.raises(ContentChanged) as caught:
                await anext(pieces)
    error = caught.value
    assert error.before is not None
    assert error.after is not None
    assert (error.before.etag, error.after.etag) == ('"v1"', '"v2"')
    assert (error.total_before, error.total_after) == (SIZE, SIZE + 1)
    assert not error.recoverable
    assert "secret" not in str(error)


async def test_mirrors_are_compared_by_their_bytes(server: Server) -> None:
    """A redirect that leads elsewhere: tags of two hosts say nothing about each other."""
    server.add("/a", script=[{"redirect": "/one"}], redirect="/two")
    server.add("/one", WHOLE, etag="x", cut_after=1000)
    for two in (WHOLE, OTHER):
        server.add("/a", script=[{"redirect": "/one"}], redirect="/two")
        server.add("/two", two, etag="x")
        async with HttpClient() as client:
            net = RetryNet(client, RetryPolicy(probe_size=100), _sleep=no_wait)
            if two is WHOLE:
                assert await read(net, server.url("/a")) == WHOLE
                assert server.requests[-1].byte_range == RangeSpec(900, SIZE)
            else:
                with pytest.raises(ContentChanged):
                    await read(net, server.url("/a"))


# cancelled anywhere, many at once


@pytest.mark.parametrize(
    "script",
    [
        [],
        [{"cut_after": 1000}],
        [{"cut_after": 1000}, {"status": 503}, {"cut_after": 500}],
        [{"cut_after": 1000, "rotate_etag": True}, {"rotate_etag": True}, {"rotate_etag": True}],
        [{"status": 503}, {"reset_after": 1000}],
        [{"close_delimited": True}],
    ],
)
async def test_cancelling_at_any_step(
    server: Server, client: HttpClient, script: list[Behaviour]
) -> None:
    """Step by step through the loop: nothing stays, wherever the task was."""
    loop = asyncio.get_running_loop()
    resource = server.add("/a", WHOLE)
    net = RetryNet(client, _sleep=no_wait)
    finished, steps, took = False, 0, list[float]()
    while not finished:
        steps += 1
        resource.script = list(script)
        task = asyncio.ensure_future(read(net, server.url("/a")))
        for _ in range(steps):
            turn: asyncio.Future[None] = loop.create_future()
            loop.call_soon(turn.set_result, None)
            await turn
        began = loop.time()
        task.cancel()
        try:
            assert await task == WHOLE
            finished = True
        except asyncio.CancelledError:
            pass
        took.append(loop.time() - began)
    assert median(took) < 0.1
    assert max(took) < PROMPT
    assert steps > 3
    resource.script = []
    await client.head(server.url("/a"))
    await server.wait_for(lambda: server.connections <= 1)


async def test_cancelling_while_a_stalled_body_is_waited_for(
    server: Server, client: HttpClient
) -> None:
    server.add("/a", WHOLE, script=[{"cut_after": 1000}], stall_after=500)
    task = asyncio.ensure_future(read(RetryNet(client, _sleep=no_wait), server.url("/a")))

    def reached() -> bool:
        return len(server.requests) == 2 and server.requests[1].sent == 500

    await server.wait_for(reached)
    began = asyncio.get_running_loop().time()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.wait_for(lambda: server.connections == 0)
    assert asyncio.get_running_loop().time() - began < PROMPT


@pytest.mark.parametrize("wrap", [lambda client: client, lambda client: RetryNet(client)])
async def test_200_streams_at_once(server: Server, wrap: Callable[[HttpClient], Net]) -> None:
    most = 0

    def watch() -> bool:
        nonlocal most
        most = max(most, server.connections)
        return False

    watching = asyncio.ensure_future(server.wait_for(watch))
    server.add("/a", GeneratedContent(200_000))
    async with HttpClient(NetOptions(connections_per_host=8)) as client:
        net = wrap(client)
        bodies = await asyncio.gather(*(read(net, server.url(f"/a?{n}")) for n in range(200)))
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert bodies == [pattern_bytes(0, 200_000)] * 200
    assert most == server.connections_opened == 8
    assert len(server.requests) == 200
