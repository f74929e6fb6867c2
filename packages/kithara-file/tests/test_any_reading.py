"""Whatever is read in whatever order, however the bytes come: it is the file."""

import asyncio
import io
import random
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kithara_assets import asset_store
from kithara_file import FileOptions, FileSource
from kithara_net import ByteStream, HttpClient, RangeSpec, ResponseHead
from kithara_net.testing import Behaviour, Server

SONG = b"ID3\x04" + random.Random(3).randbytes(300_000)

moves = st.one_of(
    st.tuples(st.just("read"), st.integers(-1, 50_000)),
    st.tuples(st.just("set"), st.integers(0, len(SONG) + 10)),
    st.tuples(st.just("end"), st.integers(-len(SONG), 10)),
)
manners = st.sampled_from(
    [
        Behaviour(),
        Behaviour(ignore_range=True),
        Behaviour(chunked=True),
        Behaviour(ignore_range=True, chunked=True),
        Behaviour(total_unknown=True),
        Behaviour(ignore_range=True, headers={"Accept-Ranges": "none"}),
    ]
)


class Recut:
    """A body whose chunks are of random sizes."""

    def __init__(self, body: ByteStream, rng: random.Random) -> None:
        self._body = body
        self._rng = rng

    @property
    def head(self) -> ResponseHead:
        return self._body.head

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            offset = 0
            while offset < len(chunk):
                size = self._rng.choice((1, 100, 5000, 40_000))
                yield chunk[offset : offset + size]
                offset += size
                await asyncio.sleep(0)


class RecutClient(HttpClient):
    """A client whose bodies come in chunks of random sizes."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._rng = random.Random(seed)

    @asynccontextmanager
    async def get_range(
        self, url: str, byte_range: RangeSpec, *, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[ByteStream]:
        async with super().get_range(url, byte_range, headers=headers) as body:
            yield Recut(body, self._rng)


def play(file: Any, steps: list[tuple[str, int]]) -> list[object]:
    got: list[object] = []
    for name, number in steps:
        if name == "read":
            got.append(file.read(number))
        elif file.seekable():
            got.append(file.seek(number, 0 if name == "set" else 2))
    return got


async def session_like_bytesio(
    steps: list[tuple[str, int]], seed: int, look_ahead: int, manner: Behaviour, buffered: bool
) -> None:
    async with Server() as server, RecutClient(seed) as net:
        server.add("/a.mp3", SONG, **manner)
        options = FileOptions(look_ahead=look_ahead)
        with tempfile.TemporaryDirectory() as root, asset_store(root) as store:
            made = FileSource(server.url("/a.mp3"), store=store, net=net, options=options)
            async with made as session:
                if session.length is None:  # not seekable before the end is known
                    await session.wait_complete()
                reader = session.reader()
                file = reader.buffered() if buffered else reader
                got = await asyncio.to_thread(play, file, steps)
                assert got == play(io.BytesIO(SONG), steps)
                await session.wait_complete()
                reader.seek(0)
                assert await asyncio.to_thread(reader.read) == SONG
        assert len(server.requests) <= 2 * len(steps) + 3


@settings(max_examples=30)
@given(
    steps=st.lists(moves, max_size=12),
    seed=st.integers(0, 1000),
    look_ahead=st.sampled_from([1, 1000, 30_000, 1_000_000]),
    manner=manners,
    buffered=st.booleans(),
)
def test_any_reading_is_that_of_the_file(
    steps: list[tuple[str, int]], seed: int, look_ahead: int, manner: Behaviour, buffered: bool
) -> None:
    asyncio.run(session_like_bytesio(steps, seed, look_ahead, manner, buffered))
