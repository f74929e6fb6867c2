"""HTTP over aiohttp that hands on what was asked for, or a typed error."""

from __future__ import annotations

import logging
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from kithara_net._body import Body
from kithara_net._errors import BodyCorrupt, BodyTooLarge, InvalidUrl, NetClosed, RedirectRefused
from kithara_net._head import content_coding, parse_head
from kithara_net._headers import HeaderMap
from kithara_net._inflate import Inflater, TooLong
from kithara_net._models import FetchedBytes, NetOptions, RangeSpec, ResponseHead
from kithara_net._protocols import MAX_BYTES, ByteStream
from kithara_net._sessions import Sessions
from kithara_net._translate import REQUEST_FAILURES, request_failure
from kithara_net._urls import basic_credentials, joined, origin, parsed, shown

_log = logging.getLogger("kithara_net")

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})
_OURS = frozenset({"range", "accept-encoding"})
_CODINGS = frozenset({"gzip", "deflate"})
# aiohttp stops the socket at twice this many unread bytes.
_READ_BUFFER = 128 * 1024


class HttpClient:
    """The `Net` over aiohttp; asyncio only, one event loop.

    An injected `session` is used and never closed; its cookies, headers and hooks apply. Without
    one a session of its own is made at the first request. Use as `async with HttpClient()`, or
    call `aclose`. Any number of requests may run at once.
    """

    def __init__(
        self, options: NetOptions | None = None, session: aiohttp.ClientSession | None = None
    ) -> None:
        self._options = options if options is not None else NetOptions()
        self._sessions = Sessions(self._options, session)
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
        codings = _CODINGS if byte_range is None else frozenset[str]()
        async with self._exchange("GET", url, headers, byte_range, codings) as body:
            head, shown_url = body.head, shown(body.head.final_url)
            too_large = BodyTooLarge(url=shown_url, max_bytes=max_bytes)
            if head.stop is not None and head.stop - head.start > max_bytes:
                raise too_large
            coding = content_coding(HeaderMap(head.headers.items()))
            inflater = Inflater(coding, max_bytes) if coding in _CODINGS else None
            pieces: list[bytes] = []
            arrived = 0
            try:
                async for piece in body:
                    arrived += len(piece)
                    if arrived > max_bytes:
                        raise too_large
                    if inflater is None:
                        pieces.append(piece)
                    else:
                        inflater.feed(piece)
                whole = b"".join(pieces) if inflater is None else inflater.finish()
            except TooLong:
                raise too_large from None
            except zlib.error as exc:
                raise BodyCorrupt(url=shown_url, encoding=coding) from exc
        if head.status != 206:
            head = replace(head, stop=len(whole), total=len(whole))
        return FetchedBytes(head=head, body=whole)

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[ByteStream]:
        """The resource from its beginning, as it arrives and exactly as stored.

        Leaving before the end closes the connection at once. Raises `NetError`s on entry and
        while iterating.
        """
        async with self._exchange("GET", url, headers, None) as body:
            yield body

    @asynccontextmanager
    async def get_range(
        self, url: str, byte_range: RangeSpec, *, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[ByteStream]:
        """The bytes of `byte_range`, fewer only where the resource ends before.

        A 206 that does not fit raises `RangeMismatch` before any byte. A server that ignores
        ranges answers 200 with everything: `head.start` is 0 then, and the caller decides.
        """
        async with self._exchange("GET", url, headers, byte_range) as body:
            yield body

    async def head(self, url: str, *, headers: Mapping[str, str] | None = None) -> ResponseHead:
        """What the server tells of the resource without sending it.

        Some servers refuse HEAD (`UnexpectedStatus`, 405) though they answer GET.
        """
        async with self._exchange("HEAD", url, headers, None) as body:
            return body.head

    @asynccontextmanager
    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        byte_range: RangeSpec | None,
        codings: frozenset[str] = frozenset(),
    ) -> AsyncIterator[Body]:
        """One request with its redirects, its head checked, its connection let go at the end."""
        target = parsed(url)
        if self._closed:
            raise NetClosed(url=shown(url))
        fields = self._fields(headers)
        credentials = basic_credentials(target)
        if credentials is not None and not _holds(fields, "Authorization"):
            fields["Authorization"] = credentials
        fields["Accept-Encoding"] = ", ".join(sorted(codings, reverse=True)) or "identity"
        if byte_range is not None:
            fields["Range"] = byte_range.header()
        original = target.with_user(None)
        response, target, session = await self._follow(method, original, fields)
        shown_url = shown(str(target))
        body = Body(
            response,
            session=session,
            url=shown_url,
            asked=byte_range,
            stall_timeout=self._options.stall_timeout,
        )
        self._bodies.add(body)
        try:
            body.accept(
                parse_head(
                    status=response.status,
                    final_url=str(target),
                    headers=HeaderMap(response.headers.items()),
                    asked=byte_range,
                    url=shown_url,
                    codings=codings,
                    redirected=target is not original,
                )
            )
            yield body
        finally:
            self._bodies.discard(body)
            body.close()

    def _fields(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        fields: dict[str, tuple[str, str]] = {}
        for name, value in (*self._options.headers.items(), *(headers or {}).items()):
            if name.lower() in _OURS:
                raise ValueError(f"{name} is set by the client; ask with byte_range instead")
            fields[name.lower()] = (name, value)
        return dict(fields.values())

    async def _follow(
        self, method: str, target: URL, fields: dict[str, str]
    ) -> tuple[aiohttp.ClientResponse, URL, aiohttp.ClientSession]:
        """The first answer that is no redirect, where it came from, and through which session."""
        first, trusted = origin(target), True
        for _ in range(self._options.max_redirects + 1):
            session = self._sessions.trusted() if trusted else self._sessions.stranger()
            response = await self._send(session, method, target, fields)
            if response.status not in _REDIRECTS:
                return response, target, session
            response.release()
            target = self._redirected(target, response.headers.get("Location"))
            if trusted and origin(target) != first:
                # Once a stranger was in the chain, it stays without credentials.
                trusted = False
                fields = {n: v for n, v in fields.items() if n.lower() not in _CREDENTIALS}
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
        url = shown(str(target))
        if self._ended(session):
            raise NetClosed(url=url)
        if not _holds(fields, "User-Agent") and "User-Agent" not in session.headers:
            fields = {"User-Agent": self._options.user_agent, **fields}
        try:
            response = await session.request(
                method,
                target,
                headers=fields,
                allow_redirects=False,
                raise_for_status=False,
                auto_decompress=False,
                read_bufsize=_READ_BUFFER,
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    sock_connect=self._options.connect_timeout,
                    sock_read=self._options.first_byte_timeout,
                ),
            )
        except REQUEST_FAILURES as exc:
            if self._ended(session):
                raise NetClosed(url=url) from exc
            failure, cause = request_failure(exc, target, self._options)
            raise failure from cause
        _log.debug("%s %s: %d", method, url, response.status)
        return response

    def _ended(self, session: aiohttp.ClientSession) -> bool:
        return self._closed or session.closed


def _holds(fields: Mapping[str, str], name: str) -> bool:
    return any(known.lower() == name.lower() for known in fields)
