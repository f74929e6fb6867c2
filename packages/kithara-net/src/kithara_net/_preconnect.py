"""Connections that are open before anybody asks for them."""

from __future__ import annotations

import asyncio
import logging
from weakref import WeakValueDictionary

import aiohttp
from yarl import URL

_log = logging.getLogger("kithara_net")

_RENEW_SECONDS = 10.0
"""Sooner than the pool lets go of a connection that nobody used."""


class Preconnector:
    """Keeps an idle connection to an origin in the pool of one session, while somebody asks for it.

    A request that comes while another body is on its way then costs one round trip: those of TCP
    and TLS are behind it.
    """

    def __init__(self, session: aiohttp.ClientSession, timeout: float | None) -> None:
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=None, connect=timeout)
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns: WeakValueDictionary[URL, asyncio.Lock] = WeakValueDictionary()

    def keep(self, url: URL) -> asyncio.Task[None]:
        """Keep one to the origin of `url` until the task that is answered is cancelled.

        Bodies that arrive side by side share one, since each takes what the others left.
        """
        task = asyncio.create_task(self._keep(url.origin()), name=f"preconnect {url.host}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Keep none any more."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _keep(self, origin: URL) -> None:
        connector = self._session.connector
        request = aiohttp.ClientRequest("GET", origin, loop=asyncio.get_running_loop())
        turn = self._turns.setdefault(origin, asyncio.Lock())
        while connector is not None:
            try:
                async with turn:  # or as many would be opened as there are bodies
                    # Not public in aiohttp; but whoever is cancelled while he waits for his turn
                    # there can take the turn of a request with him.
                    if connector._available_connections(request.connection_key) > 0:
                        # An idle one is taken, and given back as if new; else one is opened.
                        connection = await connector.connect(request, [], self._timeout)
                        connection.release()
            except (aiohttp.ClientError, OSError) as error:
                # Whatever stands in the way, the requests themselves meet it as well, and say so.
                _log.debug("no connection ahead: %s", type(error).__name__)
                return
            await asyncio.sleep(_RENEW_SECONDS)
