"""Reading one request from a connection, and understanding its range."""

from __future__ import annotations

import asyncio
import re

from kithara_net._headers import HeaderMap
from kithara_net._models import RangeSpec
from kithara_net.testing._resource import RequestRecord

_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")


async def read_request(reader: asyncio.StreamReader, connection: int) -> RequestRecord | None:
    """The next request, or None when the client has closed or sent something else than HTTP."""
    try:
        block = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        return None
    lines = block.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3:
        return None
    path, _, query = words[1].partition("?")
    fields = (line.partition(":") for line in lines[1:] if line)
    headers = HeaderMap([(name, value.strip()) for name, _, value in fields])
    return RequestRecord(
        method=words[0],
        path=path,
        query=query,
        byte_range=parse_range(headers.get("Range")),
        headers=headers,
        connection=connection,
    )


def parse_range(text: str | None) -> RangeSpec | None:
    """The range of a `Range` header; None for none, several, a suffix, or an absurd one."""
    match = _RANGE.match(text) if text is not None else None
    if match is None or not match[1]:
        return None
    start, stop = int(match[1]), int(match[2]) + 1 if match[2] else None
    return None if stop is not None and stop <= start else RangeSpec(start, stop)


def parse_suffix(text: str | None) -> int | None:
    """N of `bytes=-N`, the last N bytes; None for any other header."""
    match = _RANGE.match(text) if text is not None else None
    return int(match[2]) if match is not None and not match[1] and match[2] else None
