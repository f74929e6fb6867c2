"""HTTP over aiohttp that hands on what was asked for, or a typed error."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from types import TracebackType
from typing import Self

import aiohttp

from kithara_net._body import Body
from kithara_net._errors import BodyCorrupt, BodyTooLarge
from kithara_net._exchange import Exchange, Line
from kithara_net._head import content_coding
from kithara_net._headers import HeaderMap
from kithara_net._inflate import Inflater, TooLong
from kithara_net._models import FetchedBytes, NetOptions, RangeSpec, ResponseHead
from kithara_net._protocols import MAX_BYTES, ByteStream
from kithara_net._sessions import Sessions
from kithara_net._signing import Sign
from kithara_net._trace import Trace
from kithara_net._urls import shown

_CODINGS = ("gzip", "deflate")


class HttpClient:
    """The `Net` over aiohttp; asyncio only, one event loop.

    An injected `session` is used and never closed; its cookies, headers and hooks apply. Without
    one a session of its own is made at the first request. Use as `async with HttpClient()`, or
    call `aclose`. Any number of requests may run at once.

    `sign` may change the address and the headers of each request before it is sent, and is asked
    once more when the answer is 401 or 403. The headers that it adds stay with the origin.
    `trace` is told of `DnsResolved`, `Connected` (both not with an injected session: it has hooks
    of its own), `FirstByte` and `BytesReceived`.
    """

    def __init__(
        self,
        options: NetOptions | None = None,
        session: aiohttp.ClientSession | None = None,
        *,
        sign: Sign | None = None,
        trace: Trace | None = None,
    ) -> None:
        options = options if options is not None else NetOptions()
        self._sessions = Sessions(options, session, trace)
        self._line = Line(options, self._sessions, sign, trace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every open stream with `NetClosed` and close what was opened here; idempotent."""
        self._line.closed = True
        for body in self._line.crowd.bodies:
            body.close()
        await self._sessions.aclose()

    async def get_bytes(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        byte_range: RangeSpec | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> FetchedBytes:
        """The whole body, at most `max_bytes`, inflated if it came as gzip or deflate.

        With `byte_range` no compression is asked for. A 200 tells `total` and `stop` of the
        inflated body. Raises `BodyTooLarge` as soon as the limit is known to be exceeded,
        `BodyCorrupt` for damaged compression, and what `stream` raises.
        """
        codings = _CODINGS if byte_range is None else ()
        async with Exchange(self._line, "GET", url, headers, byte_range, codings) as body:
            head = body.head
            try:
                whole = await _inflated(body, max_bytes)
            except TooLong:
                raise BodyTooLarge(url=shown(head.final_url), max_bytes=max_bytes) from None
            except zlib.error as exc:
                coding = content_coding(HeaderMap(head.headers.items()))
                raise BodyCorrupt(url=shown(head.final_url), encoding=coding) from exc
        if head.status != 206:
            head = replace(head, stop=len(whole), total=len(whole))
        return FetchedBytes(head=head, body=whole)

    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        """The resource from its beginning, as it arrives and exactly as stored.

        Leaving before the end closes the connection at once. Raises `NetError`s on entry and
        while iterating.
        """
        return Exchange(self._line, "GET", url, headers)

    def get_range(
        self, url: str, byte_range: RangeSpec, *, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        """The bytes of `byte_range`, fewer only where the resource ends before.

        A 206 that does not fit raises `RangeMismatch` before any byte. A server that ignores
        ranges answers 200 with everything: `head.start` is 0 then, and the caller decides.
        """
        return Exchange(self._line, "GET", url, headers, byte_range)

    async def head(self, url: str, *, headers: Mapping[str, str] | None = None) -> ResponseHead:
        """What the server tells of the resource without sending it.

        Some servers refuse HEAD (`UnexpectedStatus`, 405) though they answer GET.
        """
        async with Exchange(self._line, "HEAD", url, headers) as body:
            return body.head


async def _inflated(body: Body, max_bytes: int) -> bytes:
    """All of a body, inflated if need be; `TooLong` as soon as it is known to be, as sent or so."""
    head = body.head
    if head.stop is not None and head.stop - head.start > max_bytes:
        raise TooLong
    coding = content_coding(HeaderMap(head.headers.items()))
    inflater = Inflater(coding, max_bytes) if coding in _CODINGS else None
    pieces: list[bytes] = []
    arrived = 0
    async for piece in body:
        arrived += len(piece)
        if arrived > max_bytes:
            raise TooLong
        if inflater is None:
            pieces.append(piece)
        else:
            inflater.feed(piece)
    return b"".join(pieces) if inflater is None else inflater.finish()
