"""What a type checker makes of a program that uses kithara-stream."""

import io
from collections.abc import Iterator
from typing import assert_type

from kithara_stream import (
    EventChannel,
    LoopThread,
    Reader,
    Source,
    StreamError,
    Subscription,
    sniff,
)


async def answer() -> int:
    return 42


def use(source: Source) -> None:
    reader = Reader(source)
    raw: io.RawIOBase = reader
    assert_type(reader.buffered(), io.BufferedReader)
    assert_type(reader.spans(), Iterator[Reader])
    assert_type(sniff(b"fLaC"), str | None)
    try:
        raw.read()
    except StreamError as error:
        assert_type(error.recoverable, bool)
    with LoopThread() as loop:
        assert_type(loop.run(answer()), int)
    channel = EventChannel[str]()
    assert_type(channel.subscribe(), Subscription[str])
