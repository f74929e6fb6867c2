"""A scripted HTTP/1.1 server on loopback, on asyncio streams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack
from urllib.parse import unquote

from kithara_net.testing._answer import answer_to
from kithara_net.testing._connection import Connection, Pace
from kithara_net.testing._content import MEDIA_TYPES, OCTETS, Content
from kithara_net.testing._resource import Behaviour, RequestRecord, Resource


class Server:
    """A scripted HTTP/1.1 server on 127.0.0.1 that serves ranges well, or badly on request.

    Use as `async with Server() as server`; resources may be added before or after. Leaving closes
    every connection at once and ends every stall.

    `bytes_per_second` is shared by all connections and may be changed while bytes flow; None is
    as fast as it goes. `send_buffer` bounds the kernel's own buffer per connection, in bytes.
    """

    def __init__(
        self, *, bytes_per_second: float | None = None, send_buffer: int | None = None
    ) -> None:
        self.requests: list[RequestRecord] = []
        """Every request read so far, in order."""
        self.connections_opened = 0
        """How many connections were ever accepted."""
        self._pace = Pace(bytes_per_second)
        self._send_buffer = send_buffer
        self._resources: dict[str, Resource] = {}
        self._directories: list[tuple[str, Path]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._waits: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener: asyncio.Server | None = None
        self._port = 0

    @property
    def bytes_per_second(self) -> float | None:
        """The throttle over all connections together; None for none."""
        return self._pace.bytes_per_second

    @bytes_per_second.setter
    def bytes_per_second(self, value: float | None) -> None:
        self._pace.bytes_per_second = value

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._tasks)

    @property
    def port(self) -> int:
        """The TCP port; 0 before the server runs."""
        return self._port

    def url(self, path: str) -> str:
        """The address of `path`, which starts with `/` and may have a query."""
        return f"http://127.0.0.1:{self._port}{path}"

    def add(
        self,
        path: str,
        content: Content = b"",
        *,
        media_type: str | None = None,
        etag: str = "auto",
        last_modified: str = "",
        script: Sequence[Behaviour] = (),
        **behaviour: Unpack[Behaviour],
    ) -> Resource:
        """Serve `content` under `path` and return the resource, which may be changed later.

        A path without a query answers whatever the query; one with a query answers only that.
        `media_type` comes from the suffix if None; `etag="auto"` follows the content, `""` sends
        none. `script` gives the next answers one behaviour each, then `behaviour` counts.
        """
        suffix = Path(path.partition("?")[0]).suffix
        resource = Resource(
            content=content,
            media_type=media_type if media_type is not None else MEDIA_TYPES.get(suffix, OCTETS),
            etag=etag,
            last_modified=last_modified,
            behaviour=behaviour,
            script=list(script),
            _changed=self._changed_anywhere,
        )
        self._resources[path] = resource
        return resource

    def serve_directory(self, root: Path, prefix: str = "/") -> None:
        """Serve the files below `root` under `prefix`; `add` takes precedence."""
        self._directories.append((prefix, root.resolve()))

    def requests_for(self, path: str) -> list[RequestRecord]:
        """The requests for one path (without query), in order."""
        return [request for request in self.requests if request.path == path]

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return once `condition()` is true; it is asked again whenever the server does something.

        That is: a connection opens or closes, a request is read, bytes or an answer were sent,
        a resource is released.
        """
        if condition():
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (condition, waiter)
        self._waits.append(entry)
        try:
            await waiter
        finally:
            self._waits.remove(entry)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop listening and close every connection; again is harmless."""
        if self._listener is None:
            return
        self._listener.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._listener.wait_closed()
        self._listener = None
        self._loop = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections_opened += 1
        connection = Connection(
            reader,
            writer,
            number=self.connections_opened,
            pace=self._pace,
            send_buffer=self._send_buffer,
            changed=self._changed,
            wait_for=self.wait_for,
        )
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._gone)
        self._changed()

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed()

    async def _serve(self, connection: Connection) -> None:
        try:
            with suppress(ConnectionError):
                while (request := await connection.read_request()) is not None:
                    self.requests.append(request)
                    resource = self._resource_of(request)
                    behaviour = resource.next_behaviour()
                    self._changed()
                    answer = answer_to(request, resource, behaviour)
                    if not await connection.send(answer, request, resource):
                        return
        finally:
            connection.close()

    def _resource_of(self, request: RequestRecord) -> Resource:
        exact = self._resources.get(f"{request.path}?{request.query}")
        resource = exact or self._resources.get(request.path)
        if resource is not None:
            return resource
        for prefix, root in self._directories:
            if not request.path.startswith(prefix):
                continue
            file = (root / unquote(request.path[len(prefix) :]).lstrip("/")).resolve()
            if file.is_relative_to(root) and file.is_file():
                kind = MEDIA_TYPES.get(file.suffix, OCTETS)
                return Resource(file, kind, "auto", "", {}, [], self._changed_anywhere)
        text = "text/plain; charset=utf-8"
        return Resource(b"no such resource\n", text, "", "", {"status": 404}, [])

    def _changed(self) -> None:
        for condition, waiter in list(self._waits):
            if not waiter.done() and condition():
                waiter.set_result(None)

    def _changed_anywhere(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._changed)
