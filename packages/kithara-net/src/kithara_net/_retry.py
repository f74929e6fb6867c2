"""A `Net` that tries again, and continues bodies that break."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from kithara_net._budget import Sleep
from kithara_net._errors import BodyTruncated, NetError, RangeNotSatisfiable
from kithara_net._head import content_coding, ends_with_connection
from kithara_net._headers import HeaderMap
from kithara_net._models import FetchedBytes, RangeSpec, ResponseHead, RetryPolicy
from kithara_net._protocols import MAX_BYTES, ByteStream, Net
from kithara_net._resume import ResumedBody, Terms
from kithara_net._trace import Trace, TraceEvent
from kithara_net._urls import shown

T = TypeVar("T")


class RetryNet:
    """The `Net` over `net` that tries again what may succeed, by `policy`.

    What is tried again is decided by the type and the status of an error: those that are
    `recoverable`, and once a 401, 403, 404 or 410 behind a redirect, since every try starts at
    the original address. When the tries are used up, the last error is raised.

    `trace` is told of every `Retried` and `Resumed`. It owns nothing: close `net` yourself.
    """

    def __init__(
        self,
        net: Net,
        policy: RetryPolicy | None = None,
        *,
        trace: Trace | None = None,
        _sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._net = net
        self._terms = Terms(net, policy if policy is not None else RetryPolicy(), _sleep, trace)

    def traced(self, trace: Trace) -> RetryNet:
        """The same net for one of its users, whose events are told to `trace` as well."""
        terms = self._terms

        def both(event: TraceEvent) -> None:
            if terms.trace is not None:
                terms.trace(event)
            trace(event)

        return RetryNet(self._net, terms.policy, trace=both, _sleep=terms.sleep)

    async def get_bytes(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        byte_range: RangeSpec | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> FetchedBytes:
        """The whole body, fetched from its beginning again when it breaks off.

        An end that only the closing of the connection told is checked with one more request,
        where the server has ranges.
        """

        async def fetch() -> FetchedBytes:
            fetched = await self._net.get_bytes(
                url, headers=headers, byte_range=byte_range, max_bytes=max_bytes
            )
            await self._check_end(url, headers, fetched)
            return fetched

        return await self._repeat(fetch)

    async def head(self, url: str, *, headers: Mapping[str, str] | None = None) -> ResponseHead:
        """What the server tells of the resource without sending it."""
        return await self._repeat(lambda: self._net.head(url, headers=headers))

    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        """The resource from its beginning; a body that breaks is continued where it broke.

        `head` stays that of the first answer. Raises `ContentChanged` when the resource is
        another one by then, and whatever `net` raises once the tries are used up.
        """
        return ResumedBody(self._terms, url, None, headers)

    def get_range(
        self, url: str, byte_range: RangeSpec, *, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        """The bytes of `byte_range`; as `stream` in everything else.

        A server that ignores ranges answers 200 with everything: `head.start` is 0 then.
        """
        return ResumedBody(self._terms, url, byte_range, headers)

    async def _check_end(
        self, url: str, headers: Mapping[str, str] | None, fetched: FetchedBytes
    ) -> None:
        head, size = fetched.head, len(fetched.body)
        fields = HeaderMap(head.headers.items())
        told = head.status == 206 or not ends_with_connection(fields) or not head.accepts_ranges
        if told or content_coding(fields) != "identity":
            return
        last = RangeSpec(max(0, size - 1))
        try:
            async with self._net.get_range(url, last, headers=headers) as body:
                if body.head.status == 206 and body.head.stop != size:
                    raise BodyTruncated(url=shown(url), received=size, expected=body.head.total)
        except RangeNotSatisfiable:
            if size:
                raise

    async def _repeat(self, fetch: Callable[[], Awaitable[T]]) -> T:
        budget = self._terms.budget()
        while True:
            try:
                return await fetch()
            except NetError as error:
                await budget.wait(error)
