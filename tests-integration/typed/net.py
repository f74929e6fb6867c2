"""What a type checker makes of a program that uses kithara-net."""

from typing import assert_type

from kithara_net import (
    ByteStream,
    FetchedBytes,
    HttpClient,
    Net,
    NetError,
    NetOptions,
    NetRequest,
    RangeSpec,
    ResponseHead,
    RetryNet,
    RetryPolicy,
    TimeoutNet,
    TraceEvent,
)


def sign(request: NetRequest) -> NetRequest:
    assert_type(request.url, str)
    return request


def told(event: TraceEvent) -> None: ...


async def use(url: str) -> None:
    async with HttpClient(NetOptions(headers={"A": "b"}), sign=sign, trace=told) as client:
        net: Net = RetryNet(TimeoutNet(client, total=9.0), RetryPolicy(max_retries=2), trace=told)
        async with net.get_range(url, RangeSpec(0, 10)) as body:
            assert_type(body, ByteStream)
            assert_type(body.head, ResponseHead)
            assert_type(body.head.total, int | None)
            async for piece in body:
                assert_type(piece, bytes)
        assert_type(await net.get_bytes(url), FetchedBytes)
        try:
            assert_type(await net.head(url), ResponseHead)
        except NetError as error:
            assert_type(error.recoverable, bool)
