"""A body that goes on where it broke, if that is still the same resource."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from kithara_net._budget import Budget, Sleep
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
from kithara_net._models import RangeSpec, ResponseHead, RetryPolicy
from kithara_net._protocols import ByteStream, Net
from kithara_net._trace import Resumed, Trace
from kithara_net._urls import shown


class Terms:
    """What all bodies of one `RetryNet` share."""

    def __init__(self, net: Net, policy: RetryPolicy, sleep: Sleep, trace: Trace | None) -> None:
        self.net = net
        self.policy = policy
        self.sleep = sleep
        self.trace = trace

    def budget(self) -> Budget:
        """All tries of the policy."""
        return Budget(self.policy, self.sleep, self.trace)


class ResumedBody:
    """One body over as many answers as it takes. It satisfies `ByteStream`.

    It is its own context manager, to be entered once. After a failure every further step raises
    the same error.
    """

    # From `__aenter__` on:
    _so_far: Continuity
    _answer: ResponseHead
    _pieces: AsyncIterator[bytes]

    def __init__(
        self,
        terms: Terms,
        url: str,
        byte_range: RangeSpec | None,
        headers: Mapping[str, str] | None,
    ) -> None:
        self._terms = terms
        self._url = url
        self._byte_range = byte_range
        self._headers = headers
        self._head: ResponseHead | None = None
        self._context: AbstractAsyncContextManager[ByteStream] | None = None
        self._budget: Budget | None = None
        self._came = False
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
        net, url, asked = self._terms.net, self._url, self._byte_range
        while self._head is None:
            if asked is None:
                context = net.stream(url, headers=self._headers)
            else:
                context = net.get_range(url, asked, headers=self._headers)
            try:
                self._head = await self._enter(context)
            except NetError as error:
                await self._wait(error)
        self._so_far = Continuity(self._head, url=url, probe_size=self._terms.policy.probe_size)
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
        so_far = self._so_far
        while not self._done:
            error: NetError | None = None
            try:
                piece = self._beyond or await self._pieces.__anext__()
            except StopAsyncIteration:
                if so_far.complete:
                    self._done = True
                    break
            except NetError as broken:
                error = broken
            else:
                if self._overlong and so_far.stop is not None:
                    piece = piece[: so_far.stop - so_far.frontier]
                    self._done = so_far.frontier + len(piece) == so_far.stop
                so_far.add(piece)
                self._beyond = b""
                self._came = True
                self._budget = None
                return piece
            await self._end_of_answer(error)
        raise StopAsyncIteration

    async def _end_of_answer(self, error: NetError | None) -> None:
        """Be done, or go on with another answer; `error` is what this one broke with."""
        so_far = self._so_far
        try:
            if isinstance(error, RangeMismatch):
                # The head of an answer that lied was handed on: nothing can follow it.
                raise error
            if so_far.complete or (error is None and self._at_end()):
                # After an error only the goodbye is missing.
                self._done = True
                return
            if error is None:
                proving = so_far.stop is None
                await self._go_on(None if proving or self._came else self._stopped_short())
            else:
                short = isinstance(error, BodyTruncated)
                await self._go_on(self._stopped_short() if short else error)
            self._done = self._overlong and so_far.complete
        except NetError as failure:
            self._failure = failure
            await self._leave()
            raise

    async def _wait(self, error: NetError) -> None:
        """Return when the next try may begin; bytes that arrive make all tries available again."""
        if self._budget is None:
            self._budget = self._terms.budget()
        await self._budget.wait(error)

    def _at_end(self) -> bool:
        """True if the end of this answer is the end of the body, and proven as far as it goes."""
        if self._so_far.stop is not None:
            return self._so_far.complete
        answer = self._answer
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
                await self._wait(error)
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
            headers = dict(self._headers or {})
            if if_range is not None:
                headers = {n: v for n, v in headers.items() if n.lower() != "if-range"}
                headers["If-Range"] = if_range
            try:
                answer = await self._enter(
                    self._terms.net.get_range(self._url, asked, headers=headers)
                )
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
        if self._terms.trace is not None:
            at = so_far.frontier
            self._terms.trace(Resumed(url=shown(self._url), at=at, compared=compared))

    async def _align(self, at: int) -> None:
        """Read up to the frontier, comparing what was handed on before."""
        so_far = self._so_far
        while at < so_far.frontier:
            piece = await anext(self._pieces, b"")
            if not piece:
                raise so_far.changed(None, at)
            self._beyond = so_far.check(at, piece)
            at += len(piece)

    async def _enter(self, context: AbstractAsyncContextManager[ByteStream]) -> ResponseHead:
        body = await context.__aenter__()
        self._context = context
        self._pieces = body.__aiter__()
        self._answer = head = body.head
        self._came = False
        return head

    async def _leave(self) -> None:
        context, self._context = self._context, None
        self._beyond = b""
        if context is not None:
            await context.__aexit__(None, None, None)
