"""Inflating compressed text without ever holding more than was allowed."""

from __future__ import annotations

import zlib
from typing import Protocol


class _Decompress(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...


class TooLong(Exception):
    """Raised when the inflated text would exceed its limit."""


class Inflater:
    """Inflates `gzip` (also several members) or `deflate` (with or without zlib's frame).

    `feed` and `finish` raise `zlib.error` for damaged input and `TooLong` beyond `limit` bytes.
    """

    def __init__(self, coding: str, limit: int) -> None:
        self._coding = coding
        self._left = limit
        self._member: _Decompress | None = None
        self._begun = b""
        self._parts: list[bytes] = []

    def feed(self, piece: bytes) -> None:
        """Take the next coded bytes."""
        while piece:
            if self._member is None:
                piece, self._begun = self._begun + piece, b""
                if self._coding == "deflate" and len(piece) < 2:
                    self._begun = piece
                    return
                self._member = self._open(piece)
            # One byte more than allowed tells "exactly full" from "too long".
            part = self._member.decompress(piece, self._left + 1)
            if len(part) > self._left:
                raise TooLong
            self._left -= len(part)
            self._parts.append(part)
            if not self._member.eof:
                return
            piece = self._member.unused_data
            if piece and self._coding == "deflate":
                raise zlib.error("bytes after the end of the stream")
            if piece:
                self._member = None

    def finish(self) -> bytes:
        """The inflated text; `zlib.error` if the coded bytes ended too early."""
        if self._begun or (self._member is not None and not self._member.eof):
            raise zlib.error("the stream ends too early")
        return b"".join(self._parts)

    def _open(self, start: bytes) -> _Decompress:
        if self._coding == "gzip":
            return zlib.decompressobj(31)
        framed = start[0] & 0x0F == 8 and (start[0] << 8 | start[1]) % 31 == 0
        return zlib.decompressobj(15 if framed else -15)
