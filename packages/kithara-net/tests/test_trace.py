import dataclasses

import pytest

from kithara_net import (
    BytesReceived,
    Connected,
    DnsResolved,
    FirstByte,
    HttpClient,
    NetOptions,
    Resumed,
    Retried,
    RetryNet,
    TraceEvent,
)
from kithara_net.testing import Server, pattern_bytes

WHOLE = pattern_bytes(0, 10_000)


async def no_wait(_: float) -> None:
    return


async def test_the_story_of_a_body(server: Server) -> None:
    seen: list[TraceEvent] = []
    server.add("/r", redirect="/a?token=secret")
    server.add("/a", WHOLE, script=[{"cut_after": 4000}])
    async with HttpClient(NetOptions(preconnect=False), trace=seen.append) as client:
        net = RetryNet(client, trace=seen.append, _sleep=no_wait)
        url = server.url("/r?token=secret").replace("127.0.0.1", "localhost")
        async with net.stream(url) as body:
            assert b"".join([piece async for piece in body]) == WHOLE
    kinds = [type(event) for event in seen if not isinstance(event, BytesReceived)]
    assert kinds == [
        DnsResolved,
        Connected,
        FirstByte,
        Connected,
        FirstByte,
        Retried,
        Connected,
        FirstByte,
        Connected,
        FirstByte,
        Resumed,
    ]
    assert sum(event.count for event in seen if isinstance(event, BytesReceived)) == 10_000
    assert [e.reused for e in seen if isinstance(e, Connected)] == [False, True, False, True]
    assert [e.status for e in seen if isinstance(e, FirstByte)] == [302, 200, 302, 206]
    assert [e.host for e in seen if isinstance(e, DnsResolved)] == ["localhost"]
    assert [(e.at, e.compared) for e in seen if isinstance(e, Resumed)] == [(4000, 0)]
    for event in seen:
        assert "secret" not in repr(event)
        assert dataclasses.is_dataclass(event)
        if isinstance(event, DnsResolved | Connected | FirstByte):
            assert event.seconds >= 0


async def test_an_error_of_the_trace_ends_the_request(server: Server) -> None:
    def fail(event: TraceEvent) -> None:
        if isinstance(event, FirstByte):
            raise LookupError("no room")  # noqa: TRY004 # the type of an event is no wrong argument

    server.add("/a", WHOLE, stall_after=1000)
    async with HttpClient(trace=fail) as client:
        with pytest.raises(LookupError, match="no room"):
            await client.get_bytes(server.url("/a"))
        await server.wait_for(lambda: server.connections == 0)


async def test_each_user_of_one_net_is_told_of_his_own(server: Server) -> None:
    mine: list[TraceEvent] = []
    everything: list[TraceEvent] = []
    for path in ("/a", "/b"):
        server.add(path, WHOLE, script=[{"status": 503}])
    async with HttpClient() as client:
        net = RetryNet(client, trace=everything.append, _sleep=no_wait)
        assert (await net.traced(mine.append).get_bytes(server.url("/a"))).body == WHOLE
        assert (await net.get_bytes(server.url("/b"))).body == WHOLE
    assert [event.url for event in mine] == [server.url("/a")]
    assert [event.url for event in everything] == [server.url("/a"), server.url("/b")]
