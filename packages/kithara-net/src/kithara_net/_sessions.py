"""The aiohttp sessions of one client: its own or an injected one, and one without credentials."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import aiohttp
from yarl import URL

from kithara_net._models import NetOptions
from kithara_net._preconnect import Preconnector
from kithara_net._trace import Connected, DnsResolved, Trace

CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


class Sessions:
    """Makes sessions when they are needed and closes those that it made."""

    def __init__(
        self,
        options: NetOptions,
        injected: aiohttp.ClientSession | None,
        trace: Trace | None = None,
    ) -> None:
        self._options = options
        self._trace = trace
        self._injected = injected
        self.injected = injected is not None
        self._own: aiohttp.ClientSession | None = None
        self._bare: aiohttp.ClientSession | None = None
        self._preconnector: Preconnector | None = None
        self.names_agent = injected is None or "User-Agent" in injected.headers
        """True if every session here sends a `User-Agent` of its own."""

    def trusted(self) -> aiohttp.ClientSession:
        """The session for the address that the caller gave; needs a running loop."""
        if self._injected is not None:
            return self._injected
        if self._own is None:
            per_host = self._options.connections_per_host
            connector = aiohttp.TCPConnector(limit=0, limit_per_host=per_host)
            hooks = [] if self._trace is None else [_hooks(self._trace)]
            self._own = aiohttp.ClientSession(
                connector=connector,
                headers={"User-Agent": self._options.user_agent},
                trace_configs=hooks,
            )
            if self._options.preconnect:
                self._preconnector = Preconnector(self._own, self._options.connect_timeout)
        return self._own

    def preconnected(self, url: URL) -> asyncio.Task[None] | None:
        """Keep an idle connection to an origin until the task is cancelled; in sessions made here.

        An injected session may go through proxies, and decides on its connections itself.
        """
        return None if self._preconnector is None else self._preconnector.keep(url)

    def stranger(self) -> aiohttp.ClientSession:
        """The session for another origin that a redirect led to.

        An injected session may send credentials of its own with every request; then this is a
        second one over the same connections, cookies and hooks, without them.
        """
        session = self.trusted()
        secrets = any(name.lower() in CREDENTIALS for name in session.headers)
        if not secrets and session.auth is None:
            return session
        if self._bare is None:
            kept = [(n, v) for n, v in session.headers.items() if n.lower() not in CREDENTIALS]
            self._bare = aiohttp.ClientSession(
                connector=session.connector,
                connector_owner=False,
                cookie_jar=session.cookie_jar,
                headers=kept,
                trust_env=session.trust_env,
                # Not public in aiohttp, but without it a redirect would go around the proxy.
                proxy=session._default_proxy,
                proxy_auth=session._default_proxy_auth,
                trace_configs=session.trace_configs,
            )
        return self._bare

    async def aclose(self) -> None:
        """Close the sessions that were made here."""
        if self._preconnector is not None:
            await self._preconnector.aclose()
        for session in (self._bare, self._own):
            if session is not None:
                await session.close()


def _hooks(trace: Trace) -> aiohttp.TraceConfig:
    """aiohttp's hooks that tell `trace` of look-ups and connections."""

    def now() -> float:
        return asyncio.get_running_loop().time()

    async def begin(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        context.begun = now()

    async def begin_look_up(
        _: aiohttp.ClientSession,
        context: SimpleNamespace,
        __: aiohttp.TraceDnsResolveHostStartParams,
    ) -> None:
        context.look_up_begun = now()

    async def looked_up(
        _: aiohttp.ClientSession,
        context: SimpleNamespace,
        what: aiohttp.TraceDnsResolveHostEndParams,
    ) -> None:
        seconds = now() - context.look_up_begun
        trace(DnsResolved(url=context.trace_request_ctx, host=what.host, seconds=seconds))

    async def connected(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        seconds = now() - context.begun
        trace(Connected(url=context.trace_request_ctx, seconds=seconds, reused=False))

    async def reused(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        trace(Connected(url=context.trace_request_ctx, seconds=0.0, reused=True))

    hooks = aiohttp.TraceConfig()
    hooks.on_dns_resolvehost_start.append(begin_look_up)
    hooks.on_dns_resolvehost_end.append(looked_up)
    hooks.on_connection_create_start.append(begin)
    hooks.on_connection_create_end.append(connected)
    hooks.on_connection_reuseconn.append(reused)
    return hooks
