"""The fault matrix: whatever a server does, right bytes or a typed error."""

from collections.abc import Awaitable, Callable

import pytest

from kithara_net import HttpClient, Net, NetError, NetOptions, RangeSpec, RetryNet
from kithara_net.testing import CHANGED_CONTENT, FAULT_CONTENT, FAULTS, Fault, Server

PART = RangeSpec(10_000, 390_000)


async def whole(net: Net, url: str) -> tuple[int, bytes]:
    async with net.stream(url) as body:
        return body.head.start, b"".join([piece async for piece in body])


async def part(net: Net, url: str) -> tuple[int, bytes]:
    async with net.get_range(url, PART) as body:
        return body.head.start, b"".join([piece async for piece in body])


async def tail(net: Net, url: str) -> tuple[int, bytes]:
    async with net.get_range(url, RangeSpec(10_000)) as body:
        return body.head.start, b"".join([piece async for piece in body])


async def fetched(net: Net, url: str) -> tuple[int, bytes]:
    answer = await net.get_bytes(url)
    return answer.head.start, answer.body


Fetch = Callable[[Net, str], Awaitable[tuple[int, bytes]]]
STOPS: dict[Fetch, int | None] = {whole: None, part: PART.stop, tail: None, fetched: None}
# A lie about a continuation says nothing of what is fetched anew.
ROWS = [
    pytest.param(fault, fetch, id=f"{fault.name}-{fetch.__name__}")
    for fault in FAULTS
    for fetch in STOPS
    if fetch is not fetched or not fault.name.startswith("206")
]


def versions(fault: Fault, start: int, stop: int | None) -> list[bytes]:
    """The right answers: the bytes of one version each."""
    contents = [FAULT_CONTENT, fault.lasting.get("new_content", CHANGED_CONTENT)]
    return [content[start:stop] for content in contents if isinstance(content, bytes)]


def test_the_matrix_is_large() -> None:
    assert len(ROWS) >= 200


@pytest.mark.parametrize(("fault", "fetch"), ROWS)
async def test_right_bytes_or_a_typed_error(server: Server, fault: Fault, fetch: Fetch) -> None:
    async def no_wait(_: float) -> None:
        return

    fault.add_to(server, "/a")
    # A slow machine is no silent server, and what it is asked a second time is another question.
    silence = 0.2 if fault.name.startswith("stalled") else 10.0
    options = NetOptions(first_byte_timeout=silence, stall_timeout=silence, max_redirects=3)
    failure: NetError | None = None
    async with HttpClient(options) as client:
        net = RetryNet(client, _sleep=no_wait)
        try:
            start, got = await fetch(net, server.url("/a?token=secret"))
        except NetError as error:
            failure = error
    if failure is None:
        assert got in versions(fault, start, STOPS[fetch] if start else None), "wrong bytes"
        assert fault.curable or fetch is fetched
    else:
        assert not fault.curable, failure
        shown = f"{failure!r} {failure.__cause__!r} {failure.__context__!r}"
        assert "secret" not in shown
