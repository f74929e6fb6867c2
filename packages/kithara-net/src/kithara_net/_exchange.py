"""One request on its way: signed, sent, followed through redirects, and its head checked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import TypeAlias

import aiohttp
from yarl import URL

from kithara_net._body import READ_SIZE, Body, read_size
from kithara_net._errors import InvalidUrl, NetClosed, NetError, RedirectRefused
from kithara_net._giving_way import Crowd
from kithara_net._head import parse_head
from kithara_net._models import NetOptions, RangeSpec
from kithara_net._sessions import CREDENTIALS, Sessions
from kithara_net._signing import NetRequest, Sign, added, signed
from kithara_net._trace import FirstByte, Trace
from kithara_net._translate import REQUEST_FAILURES, request_failure
from kithara_net._urls import Target, joined, origin, shown, target_of

_log = logging.getLogger("kithara_net")

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNAUTHORIZED = frozenset({401, 403})
_OURS = frozenset({"range", "accept-encoding"})

_Answer: TypeAlias = tuple[aiohttp.ClientResponse, Target, aiohttp.ClientSession, bool]
"""An answer, where it came from, through which session, and whether a redirect led to it."""


class Line:
    """What all exchanges of one client share; their open bodies are in `crowd`."""

    def __init__(
        self, options: NetOptions, sessions: Sessions, sign: Sign | None, trace: Trace | None
    ) -> None:
        self.options = options
        self.sessions = sessions
        self.sign = sign
        self.trace = trace
        self.timeout = aiohttp.ClientTimeout(
            total=None,
            sock_connect=options.connect_timeout,
            sock_read=options.first_byte_timeout,
        )
        # What a session names already is not said twice.
        self.user_agent = None if sessions.names_agent else options.user_agent
        # How many connections an injected session has is its own affair.
        limit = None if sessions.injected else options.connections_per_host
        self.crowd = Crowd(limit)
        self.closed = False


class Exchange:
    """One request and its body, which is let go of at the end of the `async with`.

    `codings` are the content codings to ask for, none for `identity`. Enter it once.
    """

    __slots__ = (
        "_ahead",
        "_body",
        "_byte_range",
        "_codings",
        "_headers",
        "_line",
        "_method",
        "_url",
    )

    def __init__(
        self,
        line: Line,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        byte_range: RangeSpec | None = None,
        codings: tuple[str, ...] = (),
    ) -> None:
        self._line = line
        self._method = method
        self._url = url
        self._headers = headers
        self._byte_range = byte_range
        self._codings = codings
        self._ahead: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Body:
        """The body behind a checked head; a failure leaves no connection in use."""
        try:
            return await self._enter()
        except BaseException:
            await self._connect_ahead(None)
            raise

    async def _enter(self) -> Body:
        line = self._line
        if line.closed:
            raise NetClosed(url=shown(self._url))
        fields = _merged(line.options.headers, self._headers)
        if line.sign is None:
            answer = await self._follow(self._url, fields, CREDENTIALS)
        else:
            answer = await self._signed(line.sign, fields)
        response, target, session, redirected = answer
        try:
            head = parse_head(
                response.status,
                target.text,
                response.headers,
                self._byte_range,
                self._codings,
                redirected=redirected,
            )
        except NetError:
            response.close()
            raise
        body = self._body = Body(
            response,
            head,
            session,
            self._byte_range,
            line.options.stall_timeout,
            line.trace,
            read_size(len(line.crowd.bodies) + 1),
        )
        line.crowd.add(body, origin(target.url))
        return body

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._line.crowd.discard(self._body)
        self._body.close()
        await self._connect_ahead(None)

    async def _signed(self, sign: Sign, fields: dict[str, str]) -> _Answer:
        """The answer to the signed request; one that is refused is signed once more."""
        request = NetRequest(
            method=self._method, url=self._url, headers=fields, byte_range=self._byte_range
        )
        while True:
            ready = await signed(sign, request)
            if self._line.closed:
                raise NetClosed(url=shown(self._url))
            signed_fields = _merged({}, ready.headers)
            secrets = CREDENTIALS | added(request.headers, signed_fields)
            answer = await self._follow(ready.url, signed_fields, secrets)
            response = answer[0]
            if response.status not in _UNAUTHORIZED or request.refused is not None:
                return answer
            response.close()
            request = replace(request, refused=response.status)

    async def _follow(self, url: str, fields: dict[str, str], secrets: frozenset[str]) -> _Answer:
        """The first answer that is no redirect; `secrets` stay with the origin of `url`."""
        line = self._line
        target = first = target_of(url)
        if first.credentials is not None and not _holds(fields, "authorization"):
            fields["Authorization"] = first.credentials
        if line.user_agent is not None and not _holds(fields, "user-agent"):
            fields["User-Agent"] = line.user_agent
        fields["Accept-Encoding"] = ", ".join(self._codings) or "identity"
        if self._byte_range is not None:
            fields["Range"] = self._byte_range.header()
        session = line.sessions.trusted()
        await self._connect_ahead(target.url)
        for _ in range(line.options.max_redirects + 1):
            response = await self._send(session, target, fields)
            if response.status not in _REDIRECTS:
                return response, target, session, target is not first
            response.release()
            target = _redirected(target, response.headers.get("Location"))
            if origin(target.url) != origin(first.url):
                # Once a stranger was in the chain, it stays without credentials.
                session = line.sessions.stranger()
                await self._connect_ahead(target.url)
                fields = {n: v for n, v in fields.items() if n.lower() not in secrets}
        raise RedirectRefused(
            url=shown(target.text),
            location=shown(target.text),
            reason=f"there were more than {line.options.max_redirects} redirects",
        )

    async def _connect_ahead(self, url: URL | None) -> None:
        """Keep a connection to this origin ready for the next request, instead of one before.

        Who asks for all of something, or all from a place on, may soon ask for another place.
        """
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.wait([self._ahead])
            self._ahead = None
        is_whole = self._byte_range is None and self._method == "GET" and not self._codings
        is_rest = self._byte_range is not None and self._byte_range.stop is None
        if url is not None and (is_whole or is_rest):
            self._ahead = self._line.sessions.preconnected(url)

    async def _send(
        self, session: aiohttp.ClientSession, target: Target, fields: dict[str, str]
    ) -> aiohttp.ClientResponse:
        line = self._line
        if self._ended(session):
            raise NetClosed(url=shown(target.text))
        failure: NetError | None = None
        cause: BaseException | None = None
        trace, url, begun = line.trace, "", 0.0
        if trace is not None:
            url, begun = shown(target.text), asyncio.get_running_loop().time()
        try:
            with line.crowd.asking(origin(target.url)):
                response = await session.request(
                    self._method,
                    target.url,
                    headers=fields,
                    allow_redirects=False,
                    raise_for_status=False,
                    auto_decompress=False,
                    # It stops the socket beyond twice this: not after each single piece.
                    read_bufsize=READ_SIZE // 2,
                    timeout=line.timeout,
                    trace_request_ctx=url,
                )
        except REQUEST_FAILURES as exc:
            failure, cause = request_failure(exc, target.url, line.options)
        # Raised out here, or aiohttp's own error would hang on as the context, address and all.
        if failure is not None:
            if self._ended(session):
                failure = NetClosed(url=failure.url)
            raise failure from cause
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s %s: %d", self._method, shown(target.text), response.status)
        if trace is not None:
            seconds = asyncio.get_running_loop().time() - begun
            try:
                trace(FirstByte(url=url, status=response.status, seconds=seconds))
            except BaseException:
                response.close()
                raise
        return response

    def _ended(self, session: aiohttp.ClientSession) -> bool:
        return self._line.closed or session.closed


def _merged(ours: Mapping[str, str], theirs: Mapping[str, str] | None) -> dict[str, str]:
    """The headers of a request: those of the options, then those of the call."""
    if not ours and not theirs:
        return {}
    fields = {name.lower(): (name, value) for name, value in ours.items()}
    fields |= {name.lower(): (name, value) for name, value in (theirs or {}).items()}
    for key, (name, _) in fields.items():
        if key in _OURS:
            raise ValueError(f"{name} is set by the client; ask with byte_range instead")
    return dict(fields.values())


def _holds(fields: Mapping[str, str], name: str) -> bool:
    """Whether there is a field of that name, which is given in lower case."""
    return name in map(str.lower, fields)


def _redirected(base: Target, location: str | None) -> Target:
    url = shown(base.text)
    if not location:
        raise RedirectRefused(url=url, location=None, reason="the answer names no target")
    try:
        # User-info in the target of a redirect is not used.
        return Target(joined(base.url, location).with_user(None))
    except InvalidUrl as exc:
        raise RedirectRefused(url=url, location=exc.url, reason=exc.reason) from None
