"""What the other layers need of a network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from kithara_net._models import FetchedBytes, RangeSpec, ResponseHead

MAX_BYTES = 8 * 1024 * 1024


class ByteStream(Protocol):
    """A body on its way: its head, and its bytes as they arrive.

    Iterating yields non-empty pieces of any size. It ends only where the body provably ends;
    a body that breaks off raises, after the bytes that did arrive. While nobody asks for the
    next piece, no more than a bounded amount is taken from the server.
    """

    @property
    def head(self) -> ResponseHead:
        """The head of the response."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces of the body, once."""
        ...


class Net(Protocol):
    """Four ways to fetch; every one raises `NetError`s and passes cancellation untouched."""

    async def get_bytes(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        byte_range: RangeSpec | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> FetchedBytes:
        """The whole body, at most `max_bytes`, inflated if it came compressed.

        With `byte_range`, only that range; a server that ignores it answers 200 with everything:
        look at `head.start` and `head.status`.
        """
        ...

    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        """The resource from its beginning, as it arrives and exactly as stored."""
        ...

    def get_range(
        self, url: str, byte_range: RangeSpec, *, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        """The bytes of `byte_range`, fewer only where the resource ends before.

        A server that ignores ranges answers 200 with everything: look at `head.start`.
        """
        ...

    async def head(self, url: str, *, headers: Mapping[str, str] | None = None) -> ResponseHead:
        """What the server tells of the resource without sending it."""
        ...
