"""A URL as the origin of one file's bytes: the same version in every answer, and media at that."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
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
    """Asks `net` for ranges of one URL and refuses bytes that do not belong together."""

    def __init__(self, net: Net, url: str, headers: Mapping[str, str]) -> None:
        self._net = net
        self._url = url
        self._headers = headers
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

        Raises the errors of net, `ContentChanged`, and (here or while the body is read)
        `NotMedia`.
        """
        async with AsyncExitStack() as stack:
            try:
                body = await stack.enter_async_context(
                    self._net.get_range(self._url, RangeSpec(start, stop), headers=self._headers)
                )
                if self._first is None and body.head.status == 206 and body.head.total is None:
                    # Such a part may end anywhere; only the end of the whole proves anything.
                    await stack.aclose()
                    body = await stack.enter_async_context(
                        self._net.stream(self._url, headers=self._headers)
                    )
            except RangeNotSatisfiable as error:
                if start == 0 and error.total in (0, None):
                    raise NotMedia(url=shown(self._url), container=None) from error
                if self._first is not None and error.total not in (None, self._first.total):
                    raise self._changed(self._first, None, error.total) from error
                raise
            if body.head.total == 0:
                raise NotMedia(url=shown(self._url), container=None)
            self._compare(body.head)
            yield _MediaBody(body, shown(self._url)) if body.head.start == 0 else body

    def _compare(self, head: ResponseHead) -> None:
        """Refuse another version; what one of two answers does not tell is no difference."""
        first = self._first
        if first is None:
            self._first = head
        elif _version(first) != _version(head) or (
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
    """A body from its first byte on, that is refused before it is stored if it is a page."""

    def __init__(self, body: ByteStream, url: str) -> None:
        self._body = body
        self._url = url

    @property
    def head(self) -> ResponseHead:
        return self._body.head

    async def __aiter__(self) -> AsyncIterator[bytes]:
        first = b""  # the file up to the size that tells what it is, until that is here
        try:
            async for chunk in self._body:
                if len(first) < SNIFF_SIZE:
                    first += chunk
                    if len(first) < SNIFF_SIZE:
                        continue
                    self._check(first)
                    chunk = first
                yield chunk
        except NetError:
            if 0 < len(first) < SNIFF_SIZE:
                self._check(first)
                yield first
            raise
        if len(first) < SNIFF_SIZE:
            self._check(first)
            yield first

    def _check(self, first: bytes) -> None:
        container = sniff(first)
        if container is None and self.head.media_type in _PAGES:
            container = "html"
        if container in ("html", "hls") or not first:
            raise NotMedia(url=self._url, container=container)
