"""A body that goes on where it broke, if that is still the same resource."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from kithara_net._budget import Budget
from kithara_net._continuity import Continuity
from kithara_net._errors import (
    BodyTruncated,
    NetClosed,
    NetError,
    RangeMismatch,
    RangeNotSatisfiable,
)
from kithara_net._head import ends_with_connection
from kithara_net._headers import HeaderMap
from kithara_net._models import ResponseHead
from kithara_net._protocols import ByteStream, Net
from kithara_net._trace import Resumed, Trace
from kithara_net._urls import shown


class ResumedBody:
    """One body over as many answers as it takes. It satisfies `ByteStream`.

    It is its own context manager, to be entered once. After a failure every further step raises
    the same error.
    """

    _so_far: Continuity  # from `__aenter__` on

    def __init__(
        self,
        net: Net,
        url: str,
        *,
        begin: Callable[[], AbstractAsyncContextManager[ByteStream]],
        headers: Mapping[str, str],
        probe_size: int,
        budget: Budget,
        trace: Trace | None,
    ) -> None:
        self._net = net
        self._url = url
        self._begin = begin
        self._headers = headers
        self._probe_size = probe_size
        self._budget = budget
        self._trace = trace
        self._head: ResponseHead | None = None
        self._answer: ResponseHead | None = None
        self._context: AbstractAsyncContextManager[ByteStream] | None = None
        self._pieces: AsyncIterator[bytes] | None = None
        self._came = 0
        self._beyond = b""
        self._overlong = False
        self._failure: NetError | None = None
        self._done = False

    @property
    def head(self) -> ResponseHead:
        """The head of the first answer."""
        assert self._head is not None, "a body is handed out with its head"
        return self._head

    async def __aenter__(self) -> Self:
        """Get the first answer, trying again as the budget allows."""
        while self._head is None:
            try:
                self._head = await self._enter(self._begin())
            except NetError as error:
                await self._budget.wait(error)
        self._so_far = Continuity(self._head, url=self._url, probe_size=self._probe_size)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of the connection; a later step raises `NetClosed`."""
        if not self._done and self._failure is None:
            self._failure = NetClosed(url=shown(self._url))
        await self._leave()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        if self._done:
            raise StopAsyncIteration
        try:
            piece = await self._next()
        except NetError as error:
            self._failure = error
            await self._leave()
            raise
        if not piece:
            self._done = True
            raise StopAsyncIteration
        self._so_far.add(piece)
        self._came += len(piece)
        self._budget.progress()
        return piece

    async def _next(self) -> bytes:
        """The next bytes, from this answer or a further one; empty at the proven end."""
        so_far = self._so_far
        while True:
            if self._overlong and so_far.complete:
                return b""
            try:
                piece = await self._piece()
            except NetError as error:
                if isinstance(error, RangeMismatch):
                    # The head of an answer that lied was handed on: nothing can follow it.
                    raise
                if so_far.complete:
                    # Only the goodbye is missing.
                    return b""
                short = isinstance(error, BodyTruncated)
                await self._go_on(self._stopped_short() if short else error)
                continue
            if piece:
                if self._overlong and so_far.stop is not None:
                    return piece[: so_far.stop - so_far.frontier]
                return piece
            if self._at_end():
                return b""
            proving = so_far.stop is None
            await self._go_on(None if proving or self._came else self._stopped_short())

    async def _piece(self) -> bytes:
        if self._beyond:
            piece, self._beyond = self._beyond, b""
            return piece
        assert self._pieces is not None, "an open body has an answer"
        try:
            return await self._pieces.__anext__()
        except StopAsyncIteration:
            return b""

    def _at_end(self) -> bool:
        """True if the end of this answer is the end of the body, and proven as far as it goes."""
        if self._so_far.stop is not None:
            return self._so_far.complete
        answer = self._answer
        assert answer is not None, "an open body has an answer"
        if answer.status == 206:
            return False
        by_connection = ends_with_connection(HeaderMap(answer.headers.items()))
        return not (by_connection and answer.accepts_ranges)

    def _stopped_short(self) -> BodyTruncated:
        so_far, start = self._so_far, self.head.start
        expected = None if so_far.stop is None else so_far.stop - start
        return BodyTruncated(
            url=shown(self._url), received=so_far.frontier - start, expected=expected
        )

    async def _go_on(self, error: NetError | None) -> None:
        """Continue with another answer after `error`, or after an end that proves nothing."""
        proving = error is None and self._so_far.stop is None
        while True:
            await self._leave()
            if error is not None:
                await self._budget.wait(error)
            try:
                await self._ask(proving=proving)
            except NetError as failed:
                error = failed
            else:
                return

    async def _ask(self, *, proving: bool) -> None:
        """Ask until an answer continues the body, and step over what is there already."""
        so_far = self._so_far
        while True:
            asked, if_range = so_far.question(proving=proving)
            headers = dict(self._headers)
            if if_range is not None:
                headers = {n: v for n, v in headers.items() if n.lower() != "if-range"}
                headers["If-Range"] = if_range
            try:
                answer = await self._enter(self._net.get_range(self._url, asked, headers=headers))
            except RangeNotSatisfiable as error:
                so_far.missed(error, proving=proving)
                if so_far.complete:
                    self._overlong = True
                    return
                proving = True
                continue
            if proving and answer.status != 206 and answer.total in (None, so_far.frontier):
                # It has no ranges, whatever it says; nothing else could tell more.
                so_far.stop = so_far.frontier
                self._overlong = True
                return
            if so_far.accepts(answer, proving=proving):
                break
            await self._leave()
        compared = min(so_far.frontier - answer.start, len(so_far.tail()))
        await self._align(answer.start)
        self._overlong = answer.status != 206
        if self._trace is not None:
            at = so_far.frontier
            self._trace(Resumed(url=shown(self._url), at=at, compared=compared))

    async def _align(self, at: int) -> None:
        """Read up to the frontier, comparing what was handed on before."""
        so_far = self._so_far
        while at < so_far.frontier:
            piece = await self._piece()
            if not piece:
                raise so_far.changed(None, at)
            self._beyond = so_far.check(at, piece)
            at += len(piece)

    async def _enter(self, context: AbstractAsyncContextManager[ByteStream]) -> ResponseHead:
        body = await context.__aenter__()
        self._context = context
        self._pieces = body.__aiter__()
        self._answer = body.head
        self._came = 0
        return body.head

    async def _leave(self) -> None:
        context, self._context = self._context, None
        self._beyond = b""
        if context is not None:
            await context.__aexit__(None, None, None)
