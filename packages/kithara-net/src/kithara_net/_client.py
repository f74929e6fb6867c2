"""HTTP over aiohttp that hands on what was asked for, or a typed error."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from kithara_net._body import Body
from kithara_net._errors import (
    BodyCorrupt,
    BodyTooLarge,
    InvalidUrl,
    NetClosed,
    NetError,
    RedirectRefused,
)
from kithara_net._head import content_coding, ends_with_connection, parse_head
from kithara_net._headers import HeaderMap
from kithara_net._inflate import Inflater, TooLong
from kithara_net._models import FetchedBytes, NetOptions, RangeSpec, ResponseHead
from kithara_net._protocols import MAX_BYTES, ByteStream
from kithara_net._sessions import CREDENTIALS, Sessions
from kithara_net._signing import NetRequest, Sign, added, signed
from kithara_net._trace import FirstByte, Trace
from kithara_net._translate import REQUEST_FAILURES, request_failure
from kithara_net._urls import basic_credentials, joined, origin, parsed, shown

_log = logging.getLogger("kithara_net")

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNAUTHORIZED = frozenset({401, 403})
_OURS = frozenset({"range", "accept-encoding"})
_CODINGS = ("gzip", "deflate")
# aiohttp stops the socket at twice this many unread bytes.
_READ_BUFFER = 128 * 1024


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
        self._options = options if options is not None else NetOptions()
        self._sessions = Sessions(self._options, session, trace)
        self._timeout = aiohttp.ClientTimeout(
            total=None,
            sock_connect=self._options.connect_timeout,
            sock_read=self._options.first_byte_timeout,
        )
        self._sign = sign
        self._trace = trace
        self._bodies: set[Body] = set()
        self._closed = False

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
        self._closed = True
        for body in list(self._bodies):
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
        async with self._exchange("GET", url, headers, byte_range, codings) as body:
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
        return self._exchange("GET", url, headers, None)

    def get_range(
        self, url: str, byte_range: RangeSpec, *, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        """The bytes of `byte_range`, fewer only where the resource ends before.

        A 206 that does not fit raises `RangeMismatch` before any byte. A server that ignores
        ranges answers 200 with everything: `head.start` is 0 then, and the caller decides.
        """
        return self._exchange("GET", url, headers, byte_range)

    async def head(self, url: str, *, headers: Mapping[str, str] | None = None) -> ResponseHead:
        """What the server tells of the resource without sending it.

        Some servers refuse HEAD (`UnexpectedStatus`, 405) though they answer GET.
        """
        async with self._exchange("HEAD", url, headers, None) as body:
            return body.head

    def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        byte_range: RangeSpec | None,
        codings: tuple[str, ...] = (),
    ) -> _Exchange:
        """One request with its redirects, its head checked, its connection let go at the end."""
        return _Exchange(self, method, url, headers, byte_range, codings)

    async def _open_body(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        byte_range: RangeSpec | None,
        codings: tuple[str, ...],
    ) -> Body:
        """A checked head and its body; give it to `_close_body`."""
        if self._closed:
            raise NetClosed(url=shown(url))
        request = NetRequest(
            method=method, url=url, headers=self._fields(headers), byte_range=byte_range
        )
        response, target, session, redirected = await self._answer(request, codings)
        final_url = str(target)
        try:
            head = parse_head(
                status=response.status,
                final_url=final_url,
                headers=response.headers,
                asked=byte_range,
                codings=codings,
                redirected=redirected,
            )
        except NetError:
            response.close()
            raise
        body = Body(
            response,
            head,
            session=session,
            by_connection=ends_with_connection(response.headers),
            asked=byte_range,
            stall_timeout=self._options.stall_timeout,
            trace=self._trace,
        )
        self._bodies.add(body)
        return body

    def _close_body(self, body: Body) -> None:
        """Let go of what `_open_body` gave."""
        self._bodies.discard(body)
        body.close()

    async def _answer(
        self, request: NetRequest, codings: tuple[str, ...]
    ) -> tuple[aiohttp.ClientResponse, URL, aiohttp.ClientSession, bool]:
        """The answer to the signed request, as `_follow`, and whether a redirect led to it."""
        while True:
            ready = request if self._sign is None else await signed(self._sign, request)
            target = parsed(ready.url)
            secrets = CREDENTIALS
            fields = dict(ready.headers)
            if ready is not request:
                fields = self._checked(ready.headers)
                secrets = CREDENTIALS | added(request.headers, fields)
            credentials = basic_credentials(target)
            if credentials is not None:
                target = target.with_user(None)
                if not _holds(fields, "authorization"):
                    fields["Authorization"] = credentials
            fields["Accept-Encoding"] = ", ".join(codings) if codings else "identity"
            if request.byte_range is not None:
                fields["Range"] = request.byte_range.header()
            response, final, session = await self._follow(request.method, target, fields, secrets)
            refused = response.status in _UNAUTHORIZED and self._sign is not None
            if not refused or request.refused is not None:
                return response, final, session, final is not target
            response.close()
            request = replace(request, refused=response.status)

    def _fields(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        """The headers of a request: those of the options, then those of the call."""
        ours = self._options.headers
        if not ours or not headers:
            return self._checked(ours or headers or {})
        fields = {name.lower(): (name, value) for name, value in ours.items()}
        fields |= {name.lower(): (name, value) for name, value in headers.items()}
        return self._checked(dict(fields.values()))

    def _checked(self, fields: Mapping[str, str]) -> dict[str, str]:
        for name in fields:
            if name.lower() in _OURS:
                raise ValueError(f"{name} is set by the client; ask with byte_range instead")
        return dict(fields)

    async def _follow(
        self, method: str, target: URL, fields: dict[str, str], secrets: frozenset[str]
    ) -> tuple[aiohttp.ClientResponse, URL, aiohttp.ClientSession]:
        """The first answer that is no redirect, where it came from, and through which session."""
        first, trusted = target, True
        for _ in range(self._options.max_redirects + 1):
            session = self._sessions.trusted() if trusted else self._sessions.stranger()
            response = await self._send(session, method, target, fields)
            if response.status not in _REDIRECTS:
                return response, target, session
            response.release()
            target = self._redirected(target, response.headers.get("Location"))
            if trusted and origin(target) != origin(first):
                # Once a stranger was in the chain, it stays without credentials.
                trusted = False
                fields = {n: v for n, v in fields.items() if n.lower() not in secrets}
        raise RedirectRefused(
            url=shown(str(target)),
            location=shown(str(target)),
            reason=f"there were more than {self._options.max_redirects} redirects",
        )

    def _redirected(self, base: URL, location: str | None) -> URL:
        url = shown(str(base))
        if not location:
            raise RedirectRefused(url=url, location=None, reason="the answer names no target")
        try:
            return joined(base, location).with_user(None)
        except InvalidUrl as exc:
            raise RedirectRefused(url=url, location=exc.url, reason=exc.reason) from None

    async def _send(
        self, session: aiohttp.ClientSession, method: str, target: URL, fields: dict[str, str]
    ) -> aiohttp.ClientResponse:
        if self._ended(session):
            raise NetClosed(url=shown(str(target)))
        if "User-Agent" not in session.headers and not _holds(fields, "user-agent"):
            fields = {"User-Agent": self._options.user_agent, **fields}
        failure: NetError | None = None
        cause: BaseException | None = None
        trace, url, begun = self._trace, "", 0.0
        if trace is not None:
            url, begun = shown(str(target)), asyncio.get_running_loop().time()
        try:
            response = await session.request(
                method,
                target,
                headers=fields,
                allow_redirects=False,
                raise_for_status=False,
                auto_decompress=False,
                read_bufsize=_READ_BUFFER,
                timeout=self._timeout,
                trace_request_ctx=url,
            )
        except REQUEST_FAILURES as exc:
            failure, cause = request_failure(exc, target, self._options)
        # Raised out here, or aiohttp's own error would hang on as the context, address and all.
        if failure is not None:
            if self._ended(session):
                failure = NetClosed(url=failure.url)
            raise failure from cause
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s %s: %d", method, shown(str(target)), response.status)
        if trace is not None:
            seconds = asyncio.get_running_loop().time() - begun
            try:
                trace(FirstByte(url=url, status=response.status, seconds=seconds))
            except BaseException:
                response.close()
                raise
        return response

    def _ended(self, session: aiohttp.ClientSession) -> bool:
        return self._closed or session.closed


class _Exchange:
    """One body, from the request to the end of its `async with`; a class, since it is quicker."""

    __slots__ = ("_body", "_client", "_request")

    def __init__(
        self,
        client: HttpClient,
        *request: *tuple[str, str, Mapping[str, str] | None, RangeSpec | None, tuple[str, ...]],
    ) -> None:
        self._client = client
        self._request = request
        self._body: Body | None = None

    async def __aenter__(self) -> Body:
        self._body = await self._client._open_body(*self._request)
        return self._body

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._body is not None, "what is left was entered"
        self._client._close_body(self._body)


def _holds(fields: Mapping[str, str], name: str) -> bool:
    """Whether there is a field of that name, which is given in lower case."""
    return name in map(str.lower, fields)


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
