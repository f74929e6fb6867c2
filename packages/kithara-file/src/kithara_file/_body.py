"""Bodies as they are handed on: looked at first, or continued where something else ended."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Self

from kithara_net import ByteStream, NetError
from kithara_stream import sniff

from ._errors import NotMedia

SNIFF_SIZE = 1024  # what kithara_stream.sniff asks for
_PAGES = ("text/html", "application/xhtml+xml")


class Answer:
    """A body that was asked for, and how to leave it. `leave` is idempotent."""

    def __init__(self, body: ByteStream, stack: AsyncExitStack) -> None:
        self.head = body.head
        self._chunks = aiter(body)
        self._stack = stack
        self._first = b""
        self._broken: NetError | None = None

    async def leave(self) -> None:
        """Close the request."""
        await self._stack.aclose()

    async def continues(self, overlap: bytes) -> bool:
        """Whether the body begins with `overlap`; the body goes on behind it then."""
        await self._gather(len(overlap))
        came, self._first = self._first, self._first[len(overlap) :]
        self.head = replace(self.head, start=self.head.start + len(overlap))
        return came.startswith(overlap)

    async def begins_with(self, piece: bytes) -> bool:
        """Whether the body begins with `piece`; it is handed on nevertheless."""
        await self._gather(len(piece))
        return self._first.startswith(piece)

    async def check_media(self, url: str) -> Self:
        """Look at the first bytes of a file; raises `NotMedia` for pages, playlists, nothing."""
        await self._gather(SNIFF_SIZE)
        if self._broken is not None and not self._first:
            raise self._broken
        container = sniff(self._first)
        if container is None and self.head.media_type in _PAGES:
            container = "html"
        if container in ("html", "hls") or not self._first:
            raise NotMedia(url=url, container=container)
        return self

    async def _gather(self, size: int) -> None:
        """Wait for the first bytes; an error is kept for after them."""
        try:
            while len(self._first) < size and self._broken is None:
                self._first += await anext(self._chunks)
        except StopAsyncIteration:
            pass
        except NetError as error:
            self._broken = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._first:
            yield self._first
        if self._broken is not None:
            raise self._broken
        async for chunk in self._chunks:
            yield chunk
