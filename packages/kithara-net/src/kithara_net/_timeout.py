"""A `Net` whose transfers have a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Self, TypeVar

from kithara_net._errors import NetError, TimedOut
from kithara_net._models import FetchedBytes, RangeSpec, ResponseHead
from kithara_net._protocols import MAX_BYTES, ByteStream, Net
from kithara_net._urls import shown

T = TypeVar("T")


class TimeoutNet:
    """The `Net` over `net` in which no transfer takes longer than `total` seconds.

    The time runs from the call to the last byte, pauses of the consumer included; when it is up,
    `TimedOut` with the phase `total` is raised. Around a `RetryNet` it bounds all tries together,
    inside one each try. Silence on the wire is bounded by `NetOptions`, not here.

    It owns nothing: close `net` yourself. Raises `ValueError` unless `total` is positive.
    """

    def __init__(self, net: Net, total: float) -> None:
        if total <= 0:
            raise ValueError(f"total must be positive, not {total}")
        self._net = net
        self._total = total

    async def get_bytes(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        byte_range: RangeSpec | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> FetchedBytes:
        """The whole body within the time."""
        return await self._deadline(url).keep(
            self._net.get_bytes(url, headers=headers, byte_range=byte_range, max_bytes=max_bytes)
        )

    async def head(self, url: str, *, headers: Mapping[str, str] | None = None) -> ResponseHead:
        """What the server tells of the resource, within the time."""
        return await self._deadline(url).keep(self._net.head(url, headers=headers))

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[ByteStream]:
        """The resource from its beginning; the time is kept at every step of the iteration."""
        deadline = self._deadline(url)
        context = self._net.stream(url, headers=headers)
        body = await deadline.keep(context.__aenter__())
        try:
            yield _TimedBody(body, deadline)
        finally:
            await context.__aexit__(None, None, None)

    @asynccontextmanager
    async def get_range(
        self, url: str, byte_range: RangeSpec, *, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[ByteStream]:
        """The bytes of `byte_range`; as `stream` in everything else."""
        deadline = self._deadline(url)
        context = self._net.get_range(url, byte_range, headers=headers)
        body = await deadline.keep(context.__aenter__())
        try:
            yield _TimedBody(body, deadline)
        finally:
            await context.__aexit__(None, None, None)

    def _deadline(self, url: str) -> _Deadline:
        return _Deadline(shown(url), self._total)


class _Deadline:
    """The moment until which one transfer has to be done."""

    def __init__(self, url: str, total: float) -> None:
        self._url = url
        self._total = total
        self._at = asyncio.get_running_loop().time() + total

    async def keep(self, step: Awaitable[T]) -> T:
        """The result of `step`, or `TimedOut` at the deadline."""
        limit = asyncio.timeout_at(self._at)
        try:
            async with limit:
                return await step
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise TimedOut(url=self._url, phase="total", seconds=self._total) from exc


class _TimedBody:
    """A body whose every step keeps the deadline; a failure is raised again at every later one."""

    def __init__(self, body: ByteStream, deadline: _Deadline) -> None:
        self._body = body
        self._pieces = body.__aiter__()
        self._deadline = deadline
        self._failure: NetError | None = None

    @property
    def head(self) -> ResponseHead:
        """The head of the response."""
        return self._body.head

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        try:
            piece = await self._deadline.keep(anext(self._pieces, b""))
        except NetError as error:
            self._failure = error
            raise
        if not piece:
            raise StopAsyncIteration
        return piece
