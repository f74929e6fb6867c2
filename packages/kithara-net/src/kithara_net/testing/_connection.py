"""One connection of the test server: pieces, pace, and the ways in which it breaks off."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

from kithara_net.testing._answer import Answer
from kithara_net.testing._content import read_piece
from kithara_net.testing._request import read_request
from kithara_net.testing._resource import RequestRecord, Resource

_PIECE = 64 * 1024
_MARKS = ("stall_after", "cut_after", "reset_after")


class Pace:
    """A throttle that several connections share; `bytes_per_second=None` lets everything pass."""

    def __init__(self, bytes_per_second: float | None) -> None:
        self.bytes_per_second = bytes_per_second
        self._free_at = 0.0

    def piece(self) -> int:
        """How many bytes to send at once: a 20th of a second's worth, at most 64 KiB."""
        if self.bytes_per_second is None:
            return _PIECE
        return max(1, min(_PIECE, int(self.bytes_per_second / 20)))

    async def pass_on(self, size: int) -> None:
        """Return when `size` bytes more may be sent."""
        if self.bytes_per_second is None:
            return
        loop = asyncio.get_running_loop()
        self._free_at = max(loop.time(), self._free_at) + size / self.bytes_per_second
        await asyncio.sleep(self._free_at - loop.time())


class Connection:
    """One accepted connection; `send` returns False when it is not to be used again."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        number: int,
        pace: Pace,
        send_buffer: int | None,
        changed: Callable[[], None],
        wait_for: Callable[[Callable[[], bool]], Awaitable[None]],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._number = number
        self._pace = pace
        self._changed = changed
        self._wait_for = wait_for
        # With no buffer of our own, what was sent is what the kernel took.
        writer.transport.set_write_buffer_limits(high=0)
        if send_buffer is not None:
            self._set_option(socket.SO_SNDBUF, send_buffer)

    async def read_request(self) -> RequestRecord | None:
        """The next request, or None when the client is done."""
        return await read_request(self._reader, self._number)

    async def send(self, answer: Answer, request: RequestRecord, resource: Resource) -> bool:
        """Send one answer; True if the connection may take another request."""
        behaviour = answer.behaviour
        if behaviour.get("stall_head") and not await self._stall(resource):
            return False
        if "raw" in behaviour:
            await self._write(behaviour["raw"])
            request.finished = True
            self._changed()
            return False
        await self._write(answer.head())
        request.status = answer.status
        self._changed()
        if request.method != "HEAD" and not await self._send_body(answer, request, resource):
            return False
        request.finished = True
        self._changed()
        return answer.keep_alive

    def close(self) -> None:
        """Close the connection; bytes that the kernel has not taken are dropped."""
        if self._writer.transport.get_write_buffer_size():
            self._writer.transport.abort()
        else:
            self._writer.close()

    async def _send_body(self, answer: Answer, request: RequestRecord, resource: Resource) -> bool:
        behaviour = answer.behaviour
        chunked = behaviour.get("chunked", False)
        marks = [behaviour[name] for name in _MARKS if name in behaviour]  # type: ignore[literal-required] # the names are keys
        own_pace = Pace(behaviour.get("bytes_per_second"))
        limit = min(self._pace.piece(), own_pace.piece(), behaviour.get("piece_size", _PIECE))
        at = answer.start
        while True:
            if request.sent == behaviour.get("stall_after") and not await self._stall(resource):
                return False
            if request.sent == behaviour.get("cut_after"):
                return False
            if request.sent == behaviour.get("reset_after"):
                self._reset()
                return False
            if at >= answer.stop:
                break
            ends = [mark - request.sent for mark in marks if mark > request.sent]
            size = min([limit, self._pace.piece(), answer.stop - at, *ends])
            piece = read_piece(answer.content, at, at + size)
            await self._pace.pass_on(len(piece))
            await own_pace.pass_on(len(piece))
            await self._write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            at += len(piece)
            request.sent += len(piece)
            self._changed()
        if chunked:
            await self._write(b"0\r\n\r\n")
        return True

    async def _write(self, piece: bytes) -> None:
        self._writer.write(piece)
        await self._writer.drain()

    async def _stall(self, resource: Resource) -> bool:
        """Wait for the release; False if the client went away before."""

        async def released() -> None:
            await self._wait_for(lambda: resource.released)

        async def gone() -> None:
            await self._reader.read(1)

        tasks = [asyncio.ensure_future(released()), asyncio.ensure_future(gone())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return resource.released

    def _reset(self) -> None:
        self._set_option(socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def _set_option(self, option: int, value: int | bytes) -> None:
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, value)
