import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from email.utils import formatdate

import pytest

from kithara_net import (
    BodyTruncated,
    ConnectFailed,
    HttpClient,
    Net,
    NetClosed,
    NetError,
    NetOptions,
    RangeNotSatisfiable,
    RangeSpec,
    Resumed,
    Retried,
    RetryNet,
    RetryPolicy,
    TraceEvent,
    UnexpectedStatus,
)
from kithara_net.testing import Behaviour, Server, pattern_bytes

SIZE = 1_000_000
WHOLE = pattern_bytes(0, SIZE)
PROBE = 65_536


class Waits:
    """Time that passes at once: every wait is written down, none is waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def net(client: HttpClient, waits: Waits) -> RetryNet:
    return RetryNet(client, _sleep=waits)


async def read(net: Net, url: str, byte_range: RangeSpec | None = None) -> bytes:
    opened = net.stream(url) if byte_range is None else net.get_range(url, byte_range)
    async with opened as body:
        pieces = [piece async for piece in body]
    assert all(pieces)
    return b"".join(pieces)


async def test_it_is_a_net(server: Server, net: RetryNet, waits: Waits) -> None:
    kept: Net = net
    server.add("/a.mp3", WHOLE)
    assert (await kept.head(server.url("/a.mp3"))).total == SIZE
    fetched = await kept.get_bytes(server.url("/a.mp3"), byte_range=RangeSpec(5, 10))
    assert fetched.body == WHOLE[5:10]
    assert await read(kept, server.url("/a.mp3")) == WHOLE
    assert await read(kept, server.url("/a.mp3"), RangeSpec(7, 99)) == WHOLE[7:99]
    assert server.connections_opened == 1
    assert waits.seconds == []


# what is tried again


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_a_status_that_may_pass(
    server: Server, net: RetryNet, waits: Waits, status: int
) -> None:
    trouble: list[Behaviour] = [{"status": status}] * 2
    for path in ("/bytes", "/head", "/stream", "/range"):
        server.add(path, WHOLE, script=trouble)
    assert (await net.get_bytes(server.url("/bytes"))).body == WHOLE
    assert (await net.head(server.url("/head"))).total == SIZE
    assert await read(net, server.url("/stream")) == WHOLE
    assert await read(net, server.url("/range"), RangeSpec(10)) == WHOLE[10:]
    assert len(server.requests) == 12
    assert len(waits.seconds) == 8


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 451, 501])
async def test_a_status_that_will_not_pass(
    server: Server, net: RetryNet, waits: Waits, status: int
) -> None:
    server.add("/a", WHOLE, status=status)
    with pytest.raises(UnexpectedStatus):
        await net.get_bytes(server.url("/a"))
    with pytest.raises(UnexpectedStatus):
        await read(net, server.url("/a"))
    assert len(server.requests) == 2
    assert waits.seconds == []


async def test_the_last_error_is_raised_when_the_tries_are_used_up(
    server: Server, client: HttpClient, waits: Waits
) -> None:
    server.add("/a", WHOLE, status=503)
    net = RetryNet(client, RetryPolicy(max_retries=3), _sleep=waits)
    for call in (net.get_bytes, net.head):
        with pytest.raises(UnexpectedStatus):
            await call(server.url("/a"))
    with pytest.raises(UnexpectedStatus):
        await read(net, server.url("/a"))
    assert len(server.requests) == 12
    with pytest.raises(ConnectFailed):
        await net.head("http://127.0.0.1:1/a")
    assert len(waits.seconds) == 12


async def test_no_retries_at_all(server: Server, client: HttpClient, waits: Waits) -> None:
    server.add("/a", WHOLE, script=[{"cut_after": 10}])
    net = RetryNet(client, RetryPolicy(max_retries=0), _sleep=waits)
    with pytest.raises(BodyTruncated) as caught:
        await read(net, server.url("/a"))
    assert (caught.value.received, caught.value.expected) == (10, SIZE)


async def test_a_wrong_argument_is_not_tried_again(net: RetryNet, server: Server) -> None:
    with pytest.raises(ValueError, match="Range"):
        await net.get_bytes(server.url("/a"), headers={"Range": "bytes=0-"})
    assert server.requests == []


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_an_expired_target_is_resolved_again_once(
    server: Server, net: RetryNet, status: int
) -> None:
    server.add("/a", script=[{"redirect": "/old"}], redirect="/new")
    server.add("/old", status=status)
    server.add("/new", WHOLE)
    assert await read(net, server.url("/a")) == WHOLE
    server.add("/b", redirect="/old")
    with pytest.raises(UnexpectedStatus) as caught:
        await read(net, server.url("/b"))
    assert caught.value.redirected
    assert len(server.requests_for("/b")) == 2


async def test_a_target_that_expires_in_the_middle(server: Server, net: RetryNet) -> None:
    server.add("/a", script=[{"redirect": "/file?token=1"}] * 2, redirect="/file?token=2")
    server.add("/file?token=1", WHOLE, script=[{"cut_after": 300_000}], status=403)
    server.add("/file?token=2", WHOLE)
    assert await read(net, server.url("/a")) == WHOLE
    assert server.requests[-1].byte_range == RangeSpec(300_000, SIZE)


# waits


async def test_waits_are_drawn_below_a_bound_that_doubles(
    server: Server, client: HttpClient, waits: Waits
) -> None:
    server.add("/a", status=503)
    policy = RetryPolicy(max_retries=6, base_delay=1, max_delay=10)
    net = RetryNet(client, policy, _sleep=waits)
    random.seed(7)
    for _ in range(50):
        with pytest.raises(UnexpectedStatus):
            await net.head(server.url("/a"))
    for turn, bound in enumerate([1, 2, 4, 8, 10, 10]):
        drawn = waits.seconds[turn::6]
        assert all(0 <= seconds <= bound for seconds in drawn)
        # Full jitter: all of the stretch is used.
        assert min(drawn) < bound * 0.2
        assert max(drawn) > bound * 0.8


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2), ("100000", 60), (formatdate(1_000_030, usegmt=True), 30), ("soon", 0), ("-5", 0)],
)
async def test_retry_after(
    server: Server, client: HttpClient, waits: Waits, value: str, seconds: float
) -> None:
    date = formatdate(1_000_000, usegmt=True)
    busy: Behaviour = {"status": 429, "headers": {"Retry-After": value, "Date": date}}
    server.add("/a", WHOLE, script=[busy])
    net = RetryNet(client, RetryPolicy(base_delay=0.5), _sleep=waits)
    await net.get_bytes(server.url("/a"))
    assert seconds <= waits.seconds[0] <= seconds + 0.5


async def test_bytes_reset_the_budget(server: Server, client: HttpClient, waits: Waits) -> None:
    resource = server.add("/a", WHOLE, script=[{"cut_after": 1000}] * 20)
    net = RetryNet(client, RetryPolicy(max_retries=1, base_delay=1), _sleep=waits)
    assert await read(net, server.url("/a")) == WHOLE
    assert len(server.requests) == 21
    assert max(waits.seconds) <= 1
    resource.script = [{"cut_after": 1000}, {"status": 503}, {"status": 503}]
    with pytest.raises(UnexpectedStatus):
        await read(net, server.url("/a"))


# continuing


async def test_a_body_cut_stalled_and_reset_is_delivered_once(
    server: Server, client: HttpClient, waits: Waits
) -> None:
    """Twenty cuts, a stall, a reset and a cut again; the log shows no byte that was sent twice."""
    breaks: list[Behaviour] = [{"cut_after": 40_000}] * 20
    breaks += [{"stall_after": 30_000}, {"reset_after": 0}, {"cut_after": 20_000}]
    server.add("/a", WHOLE, script=breaks)
    seen: list[TraceEvent] = []
    async with HttpClient(NetOptions(stall_timeout=0.05)) as impatient:
        net = RetryNet(impatient, trace=seen.append, _sleep=waits)
        assert await read(net, server.url("/a")) == WHOLE
    assert sum(request.sent for request in server.requests) == SIZE
    ends = [e.at for e in seen if isinstance(e, Resumed)]
    assert ends == sorted(ends)
    assert [e for e in seen if isinstance(e, Resumed) and e.compared] == []
    assert sum(isinstance(e, Retried) for e in seen) == 23


async def test_a_reset_in_the_middle(server: Server, net: RetryNet) -> None:
    server.add("/a", WHOLE, script=[{"reset_after": 400_000}, {"reset_after": 100_000}])
    assert await read(net, server.url("/a")) == WHOLE
    assert await read(net, server.url("/a"), RangeSpec(5, 900_000)) == WHOLE[5:900_000]


def sent_twice(server: Server) -> int:
    return sum(request.sent for request in server.requests) - SIZE


async def test_without_a_validator_an_overlap_is_compared(server: Server, net: RetryNet) -> None:
    server.add("/a", WHOLE, etag="", script=[{"cut_after": 400_000}, {"cut_after": 200_000}])
    assert await read(net, server.url("/a")) == WHOLE
    assert [r.byte_range for r in server.requests[1:]] == [
        RangeSpec(400_000 - PROBE, SIZE),
        RangeSpec(400_000 - PROBE + 200_000 - PROBE, SIZE),
    ]
    assert sent_twice(server) == 2 * PROBE
    assert not any("If-Range" in request.headers for request in server.requests)


async def test_an_answer_that_gives_less_is_followed_without_a_wait(
    server: Server, net: RetryNet, waits: Waits
) -> None:
    less = (
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1000\r\n"
        b'Content-Range: bytes 1000-1999/*\r\nETag: "v"\r\n\r\n'
    ) + WHOLE[1000:2000]
    server.add("/a", WHOLE, etag='"v"', script=[{"cut_after": 1000}, {"raw": less}])
    assert await read(net, server.url("/a")) == WHOLE
    assert len(waits.seconds) == 1
    assert len(server.requests) == 3


async def test_a_host_that_answers_200_to_if_range(server: Server, net: RetryNet) -> None:
    trouble: list[Behaviour] = [{"cut_after": 400_000}, {"status": 200}, {"cut_after": 100_000}]
    server.add("/a", WHOLE, script=trouble)
    assert await read(net, server.url("/a")) == WHOLE
    asked = [(r.byte_range, "If-Range" in r.headers) for r in server.requests[1:]]
    # Learned once: the next break costs no detour.
    assert asked == [
        (RangeSpec(400_000, SIZE), True),
        (RangeSpec(400_000, SIZE), False),
        (RangeSpec(500_000, SIZE), False),
    ]


async def test_a_host_that_rotates_its_tags(server: Server, net: RetryNet) -> None:
    trouble: list[Behaviour] = [
        {"cut_after": 400_000, "rotate_etag": True},
        {"rotate_etag": True},
        {"cut_after": 200_000, "rotate_etag": True},
    ]
    server.add("/a", WHOLE, script=trouble, rotate_etag=True)
    assert await read(net, server.url("/a")) == WHOLE
    assert len(server.requests) == 4


async def test_a_host_that_ignores_ranges(server: Server, net: RetryNet) -> None:
    server.add("/a", WHOLE, ignore_range=True, script=[{"cut_after": 400_000}])
    assert await read(net, server.url("/a")) == WHOLE
    # The end of a range is kept although the answer goes on.
    server.add("/b", WHOLE, ignore_range=True, script=[{"cut_after": 400_000}])
    assert await read(net, server.url("/b"), RangeSpec(5, 600_000)) == WHOLE[5:600_000]


async def test_closing_ends_a_wait(server: Server, client: HttpClient) -> None:
    waiting = asyncio.Event()

    async def sleep(_: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    server.add("/a", WHOLE, script=[{"cut_after": 1000}])
    task = asyncio.ensure_future(read(RetryNet(client, _sleep=sleep), server.url("/a")))
    await waiting.wait()
    assert server.connections == 0 or not server.requests[0].finished
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_after_leaving_and_after_a_failure(server: Server, net: RetryNet) -> None:
    server.add("/a", WHOLE)
    async with net.stream(server.url("/a")) as body:
        await anext(body.__aiter__())
    with pytest.raises(NetClosed):
        await anext(body.__aiter__())
    server.add("/gone", WHOLE, script=[{"cut_after": 10}], status=404)
    async with net.stream(server.url("/gone")) as body:
        assert body.head.total == SIZE
        iterator: AsyncIterator[bytes] = body.__aiter__()
        assert await anext(iterator) == WHOLE[:10]
        errors: list[NetError] = []
        for _ in range(2):
            with pytest.raises(UnexpectedStatus) as caught:
                await anext(iterator)
            errors.append(caught.value)
        assert errors[0] is errors[1]
    server.add("/whole", b"abc")
    async with net.stream(server.url("/whole")) as body:
        assert [piece async for piece in body] == [b"abc"]
        assert [piece async for piece in body] == []


async def test_a_range_outside(server: Server, net: RetryNet) -> None:
    server.add("/a", b"abc")
    with pytest.raises(RangeNotSatisfiable):
        await read(net, server.url("/a"), RangeSpec(3))
    assert len(server.requests) == 1


def test_policies_that_make_no_sense() -> None:
    wrong: Sequence[Callable[[], RetryPolicy]] = (
        lambda: RetryPolicy(max_retries=-1),
        lambda: RetryPolicy(base_delay=-1),
        lambda: RetryPolicy(max_retry_after=-1),
        lambda: RetryPolicy(probe_size=0),
    )
    for policy in wrong:
        with pytest.raises(ValueError):
            policy()


async def test_an_end_that_only_the_connection_told_is_checked(
    server: Server, net: RetryNet
) -> None:
    for cut in (0, 1, 400_000):
        script: list[Behaviour] = [{"cut_after": cut, "close_delimited": True}]
        server.add("/a", WHOLE, script=script)
        assert await read(net, server.url("/a")) == WHOLE
        server.add("/a", WHOLE, script=script)
        assert (await net.get_bytes(server.url("/a"))).body == WHOLE
    for content in (b"", b"x", WHOLE):
        server.add("/whole", content, close_delimited=True)
        assert await read(net, server.url("/whole")) == content
        assert (await net.get_bytes(server.url("/whole"))).body == content
    # It has no ranges, though it says so: all there is to know.
    server.add("/says", WHOLE, script=[{"close_delimited": True}], ignore_range=True)
    assert await read(net, server.url("/says")) == WHOLE
    # Without ranges there is nobody to ask.
    server.requests.clear()
    server.add("/plain", WHOLE, close_delimited=True, omit=["Accept-Ranges"])
    assert await read(net, server.url("/plain")) == WHOLE
    assert len(server.requests) == 1
