"""The aiohttp sessions of one client: its own or an injected one, and one without credentials."""

from __future__ import annotations

import aiohttp

from kithara_net._models import NetOptions

_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


class Sessions:
    """Makes sessions when they are needed and closes those that it made."""

    def __init__(self, options: NetOptions, injected: aiohttp.ClientSession | None) -> None:
        self._options = options
        self._injected = injected
        self._own: aiohttp.ClientSession | None = None
        self._bare: aiohttp.ClientSession | None = None

    def trusted(self) -> aiohttp.ClientSession:
        """The session for the address that the caller gave; needs a running loop."""
        if self._injected is not None:
            return self._injected
        if self._own is None:
            connector = aiohttp.TCPConnector(limit_per_host=self._options.connections_per_host)
            self._own = aiohttp.ClientSession(connector=connector)
        return self._own

    def stranger(self) -> aiohttp.ClientSession:
        """The session for another origin that a redirect led to.

        An injected session may send credentials of its own with every request; then this is a
        second one over the same connections, cookies and hooks, without them.
        """
        session = self.trusted()
        secrets = any(name.lower() in _CREDENTIALS for name in session.headers)
        if not secrets and session.auth is None:
            return session
        if self._bare is None:
            kept = [(n, v) for n, v in session.headers.items() if n.lower() not in _CREDENTIALS]
            self._bare = aiohttp.ClientSession(
                connector=session.connector,
                connector_owner=False,
                cookie_jar=session.cookie_jar,
                headers=kept,
                trust_env=session.trust_env,
                trace_configs=session.trace_configs,
            )
        return self._bare

    async def aclose(self) -> None:
        """Close the sessions that were made here."""
        for session in (self._bare, self._own):
            if session is not None:
                await session.close()
