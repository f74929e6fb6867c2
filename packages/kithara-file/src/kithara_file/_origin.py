"""A URL as the origin of one file's bytes: the same version in every answer, and media at that."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self
from urllib.parse import urlsplit

from kithara_net import (
    ByteStream,
    ContentChanged,
    Net,
    NetError,
    RangeNotSatisfiable,
    RangeSpec,
    ResponseHead,
    Validator,
)
from kithara_stream import OriginBody, sniff

from ._errors import NotMedia

SNIFF_SIZE = 1024  # what kithara_stream.sniff asks for
_PAGES = ("text/html", "application/xhtml+xml")


def shown(url: str) -> str:
    """The URL as it may stand in a message: no user-info, no query, no fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


class HttpOrigin:
    """Asks `net` for ranges of one URL and refuses bytes that do not belong together.

    `accept` is told the first answer that holds media, before any of its bytes are handed on.
    """

    def __init__(
        self,
        net: Net,
        url: str,
        headers: Mapping[str, str],
        accept: Callable[[ResponseHead], None],
    ) -> None:
        self._net = net
        self._url = url
        self._headers = headers
        self._accept = accept
        self._first: ResponseHead | None = None

    @property
    def final_url(self) -> str:
        """Where the first answer came from."""
        return self._url if self._first is None else self._first.final_url

    @property
    def media_type(self) -> str | None:
        """What the first answer declared."""
        return None if self._first is None else self._first.media_type

    @asynccontextmanager
    async def open(self, start: int, stop: int | None) -> AsyncIterator[OriginBody]:
        """Ask for a range; a server that ignores ranges answers with all from byte 0.

        Raises the errors of net, `ContentChanged` and `NotMedia`.
        """
        async with AsyncExitStack() as stack:
            try:
                body = await self._ask(stack, start, stop)
            except RangeNotSatisfiable as error:
                if start == 0 and error.total in (0, None):
                    raise NotMedia(url=shown(self._url), container=None) from error
                if self._first is None and start:
                    # What an earlier run left is of another, longer version.
                    body = await self._ask(stack, 0, None)
                elif self._first is not None and error.total not in (None, self._first.total):
                    raise self._changed(self._first, None, error.total) from error
                else:
                    raise
            head = body.head
            if head.total == 0:
                raise NotMedia(url=shown(self._url), container=None)
            if self._first is not None:
                self._compare(self._first, head)
            opened: OriginBody = body
            if head.start == 0:
                opened = await _MediaBody.peeked(body, shown(self._url))
            if self._first is None:
                self._accept(head)
                self._first = head
            yield opened

    async def _ask(self, stack: AsyncExitStack, start: int, stop: int | None) -> ByteStream:
        byte_range = RangeSpec(start, stop)
        answer = self._net.get_range(self._url, byte_range, headers=self._headers)
        body = await stack.enter_async_context(answer)
        if self._first is None and body.head.status == 206 and body.head.total is None:
            # Such a part may end anywhere; only the end of the whole proves anything.
            await stack.aclose()
            answer = self._net.stream(self._url, headers=self._headers)
            body = await stack.enter_async_context(answer)
        return body

    def _compare(self, first: ResponseHead, head: ResponseHead) -> None:
        """Refuse another version; what one of two answers does not tell is no difference."""
        if _version(first) != _version(head) or (
            None not in (first.total, head.total) and first.total != head.total
        ):
            raise self._changed(first, head.validator, head.total)

    def _changed(
        self, first: ResponseHead, after: Validator | None, total: int | None
    ) -> ContentChanged:
        return ContentChanged(
            url=shown(self._url),
            before=first.validator,
            after=after,
            total_before=first.total,
            total_after=total,
        )


def _version(head: ResponseHead) -> str | None:
    validator = head.validator
    return (validator.etag or validator.last_modified) if validator is not None else None


class _MediaBody:
    """A body from its first byte on, whose beginning was looked at: no page, no playlist."""

    def __init__(self, body: ByteStream, chunks: AsyncIterator[bytes], url: str) -> None:
        self._body = body
        self._chunks = chunks
        self._url = url
        self._beginning = b""
        self._broken: NetError | None = None

    @classmethod
    async def peeked(cls, body: ByteStream, url: str) -> Self:
        """Wait for enough bytes to tell what it is; raises `NotMedia`."""
        media = cls(body, aiter(body), url)
        try:
            while len(media._beginning) < SNIFF_SIZE:
                media._beginning += await anext(media._chunks)
        except StopAsyncIteration:
            pass
        except NetError as error:
            if not media._beginning:
                raise
            media._broken = error  # what came before it is handed on first
        container = sniff(media._beginning)
        if container is None and body.head.media_type in _PAGES:
            container = "html"
        if container in ("html", "hls") or not media._beginning:
            raise NotMedia(url=url, container=container)
        return media

    @property
    def head(self) -> ResponseHead:
        return self._body.head

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._beginning
        if self._broken is not None:
            raise self._broken
        async for chunk in self._chunks:
            yield chunk
