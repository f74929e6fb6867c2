"""A URL as the origin of one file's bytes: the same version in every answer, and media at that."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from kithara_net import ByteStream, Net, RangeNotSatisfiable, RangeSpec, ResponseHead
from kithara_stream import OriginBody, sniff

from ._errors import ContentChanged, NotMedia


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
        """Ask for a range.

        Raises the errors of net, `ContentChanged`, and (while the body is read) `NotMedia`.
        """
        try:
            async with self._net.get_range(
                self._url, RangeSpec(start, stop), headers=self._headers
            ) as body:
                self._compare(body.head)
                yield _MediaBody(body, shown(self._url)) if body.head.start == 0 else body
        except RangeNotSatisfiable as error:
            if start == 0 and error.total in (0, None):
                raise NotMedia(url=shown(self._url), container=None) from error
            raise

    def _compare(self, head: ResponseHead) -> None:
        if self._first is None:
            self._first = head
        elif self._first.validator != head.validator or self._first.total != head.total:
            raise ContentChanged(
                url=shown(self._url),
                before=f"{self._first.validator}, {self._first.total} bytes",
                after=f"{head.validator}, {head.total} bytes",
            )


class _MediaBody:
    """A body from its first byte on, that is refused before it is stored if it is a page."""

    def __init__(self, body: ByteStream, url: str) -> None:
        self._body = body
        self._url = url

    @property
    def head(self) -> ResponseHead:
        return self._body.head

    async def __aiter__(self) -> AsyncIterator[bytes]:
        first = True
        async for chunk in self._body:
            if first:
                container = sniff(chunk)
                if container in ("html", "hls"):
                    raise NotMedia(url=self._url, container=container)
                first = False
            yield chunk
