"""A response body on its way: counted, bounded, and ended only where it provably ends."""

from __future__ import annotations

import asyncio
from typing import Self

import aiohttp

from kithara_net._errors import BodyTruncated, NetClosed, NetError, RangeMismatch, TimedOut
from kithara_net._head import ends_with_connection
from kithara_net._models import RangeSpec, ResponseHead
from kithara_net._stall import StallWatch
from kithara_net._trace import BytesReceived, Trace
from kithara_net._urls import shown

READ_SIZE = 384 * 1024
"""Bytes that one read of the socket may bring. More than asyncio asks for by itself: each piece
wakes a chain of tasks and a thread up to the disk. With more still, paused bodies hold too much."""
_READ_IN_A_ROUND = 4 * 1024 * 1024
_LEAST_READ = 64 * 1024


def read_size(bodies: int) -> int:
    """What one read may bring while there are so many bodies.

    All of them may have some in one round of the loop, which others wait for meanwhile.
    """
    return max(_LEAST_READ, min(READ_SIZE, _READ_IN_A_ROUND // bodies))


class Body:
    """One response body. Iterate it once; `close` ends it and, unless it was read, its connection.

    It satisfies `ByteStream`. After a failure every further step raises the same error. One read
    of the socket brings `at_once` bytes at most.
    """

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        head: ResponseHead,
        session: aiohttp.ClientSession,
        asked: RangeSpec | None,
        stall_timeout: float | None,
        trace: Trace | None,
        at_once: int,
    ) -> None:
        self._response = response
        self._content = response.content
        self._session = session
        self._asked = asked
        self._stall_timeout = stall_timeout
        self._trace = trace
        self._head = head
        self._expected = None if head.stop is None else head.stop - head.start
        self._received = 0
        self._done = False
        self._closed = False
        self._failure: NetError | None = None
        self._broken: Exception | None = None
        self._closing: asyncio.Future[None] | None = None
        self._watch: StallWatch | None = None
        self._time = asyncio.get_running_loop().time
        self._taken_at = self._time()
        self._awaited = False
        connection = response.connection
        if connection is not None and (protocol := connection.protocol) is not None:
            # From here on `StallWatch` counts, and only while somebody waits.
            protocol.read_timeout = None
            protocol.start_timeout()
            transport = protocol.transport
            if transport is not None and hasattr(transport, "max_size"):  # asyncio's, without TLS
                transport.max_size = at_once
            if ends_with_connection(response.headers):
                self._closing = protocol.closed
                if self._closing is not None:
                    self._closing.add_done_callback(_retrieve)

    @property
    def head(self) -> ResponseHead:
        """The head of the response."""
        return self._head

    @property
    def connected(self) -> bool:
        """Whether it holds a connection."""
        return not self._response.closed

    @property
    def unread_seconds(self) -> float:
        """For how long nobody has asked for the next piece; 0 while somebody waits for it."""
        return 0.0 if self._awaited else self._time() - self._taken_at

    def give_way(self) -> None:
        """Break off; what has arrived is handed out first, then `BodyTruncated` says so."""
        self._response.close()

    def close(self) -> None:
        """Let go of the connection: back to the pool if the body was read, else closed at once."""
        self._closed = True
        self._let_go()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        if self._done:
            raise StopAsyncIteration
        content = self._content
        if self._closed or self._broken is not None or content.exception() is not None:
            piece = b"" if self._broken is not None else await self._next_piece()
        elif content.total_bytes > self._received:
            piece = content.read_nowait()
        elif self._received == self._expected and content.is_eof():
            self._done = True
            raise StopAsyncIteration
        else:
            piece = await self._next_piece()
        self._received += len(piece)
        if self._expected is not None and self._received > self._expected:
            reason = f"more than the declared {self._expected} bytes arrived"
            raise self._failed(
                RangeMismatch(
                    url=shown(self._head.final_url), byte_range=self._asked, reason=reason
                )
            )
        if piece:
            self._taken_at = self._time()
            if self._trace is not None:
                self._trace(BytesReceived(url=shown(self._head.final_url), count=len(piece)))
            return piece
        if self._broken is not None or not self._end_is_proven():
            raise self._failed(self._broken_off()) from self._broken
        self._done = True
        raise StopAsyncIteration

    async def _next_piece(self) -> bytes:
        """The bytes that are there, waiting for some; empty at the end or with `_broken` set."""
        content = self._content
        if self._closed:
            raise self._failed(NetClosed(url=shown(self._head.final_url)))
        watch = self._watch
        if watch is None and self._stall_timeout is not None and not content.is_eof():
            watch = self._watch = StallWatch(content, self._stall_timeout)
        self._awaited = True
        try:
            if watch is not None:
                watch.begin()
            piece = await content.readany()
            while not piece and not content.at_eof():
                piece = await content.readany()
            return piece
        except TimeoutError as exc:
            seconds = self._stall_timeout or 0.0
            raise self._failed(
                TimedOut(url=shown(self._head.final_url), phase="stall", seconds=seconds)
            ) from exc
        except (aiohttp.ClientError, OSError) as exc:
            self._broken = exc
        except RuntimeError as exc:
            if not self._session.closed:
                raise
            self._broken = exc
        finally:
            self._awaited = False
            if watch is not None:
                watch.end()
        # The failure hides the bytes that arrived before it; forgetting it is the way to them.
        content.set_exception(None)  # type: ignore[arg-type] # see the line above
        return content.read_nowait()

    def _end_is_proven(self) -> bool:
        if self._expected is not None and self._received < self._expected:
            return False
        if not ends_with_connection(self._response.headers):
            return True
        if self._closing is None or self._session.closed or self._closed:
            return False
        closing = self._closing
        return closing.done() and not closing.cancelled() and closing.exception() is None

    def _broken_off(self) -> NetError:
        if self._closed or self._session.closed:
            return NetClosed(url=shown(self._head.final_url))
        return BodyTruncated(
            url=shown(self._head.final_url), received=self._received, expected=self._expected
        )

    def _failed(self, failure: NetError) -> NetError:
        self._failure = failure
        self._let_go()
        return failure

    def _let_go(self) -> None:
        if self._watch is not None:
            self._watch.close()
        if not self._response.closed:  # it is from the moment on that its end arrived
            self._response.close()


def _retrieve(closing: asyncio.Future[None]) -> None:
    if not closing.cancelled():
        closing.exception()
