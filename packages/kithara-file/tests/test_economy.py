"""How many requests things take, by the server's own log."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from kithara_file import FileSource
from kithara_net import RangeSpec
from kithara_net.testing import Server
from kithara_stream import Reader

Make = Callable[..., FileSource]
MEBI = 1024 * 1024


@pytest.fixture(scope="module")
def m4a(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Noise, with the index behind it as most encoders leave it."""
    path: Path = tmp_path_factory.mktemp("media") / "a.m4a"
    noise = np.random.default_rng(1)
    with av.open(str(path), "w", format="ipod") as out:
        stream = out.add_stream("aac", rate=44_100, layout="stereo")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = 320_000
        for number in range(60 * 44_100 // 1024):
            sound = noise.uniform(-0.5, 0.5, (2, 1024)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 44_100, number * 1024
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    content = path.read_bytes()
    assert content.rindex(b"moov") > content.rindex(b"mdat") + 1_000_000 + MEBI
    return content


@pytest.fixture(scope="module")
def mp3() -> bytes:
    """5 MB with an ID3 tag before, and one behind."""
    rng = np.random.default_rng(2)
    return b"ID3\x04" + rng.bytes(5_000_000) + b"TAG".ljust(128, b"\0")


@asynccontextmanager
async def distant(server: Server, path: str, content: bytes) -> AsyncIterator[None]:
    """The first answer stands still after 1 MB until there is a second request."""
    resource = server.add(path, content, script=[{"stall_after": 1_000_000}])

    async def release() -> None:
        await server.wait_for(lambda: len(server.requests) == 2)
        resource.release()

    releasing = asyncio.create_task(release())
    yield
    await releasing


async def test_linear_play_is_one_request(server: Server, source: Make, mp3: bytes) -> None:
    server.add("/a.mp3", mp3)
    async with source(server.url("/a.mp3")) as session:
        reader = session.reader()
        while await asyncio.to_thread(reader.read, 100_000):
            pass
        await session.wait_complete()
    assert [r.byte_range for r in server.requests] == [RangeSpec(0)]
    assert server.requests[0].method == "GET"


async def test_a_seek_is_one_more(server: Server, source: Make, mp3: bytes) -> None:
    """And no byte is fetched twice."""
    opened = source(server.url("/a.mp3"))
    async with distant(server, "/a.mp3", mp3), opened as session:
        reader = session.reader()
        assert len(await asyncio.to_thread(reader.read, 10_000)) == 10_000
        reader.seek(len(mp3) // 2)
        assert await asyncio.to_thread(reader.read) == mp3[len(mp3) // 2 :]
        await session.wait_complete()
        received = session.stats.bytes_received
    assert [r.byte_range for r in server.requests] == [RangeSpec(0), RangeSpec(len(mp3) // 2)]
    # Of what was asked for first, as much as a request is worth may come although it is here.
    assert len(mp3) <= received <= len(mp3) + MEBI


async def test_a_tag_at_the_end_does_not_cost_the_head(
    server: Server, source: Make, mp3: bytes
) -> None:
    opened = source(server.url("/a.mp3"))
    async with distant(server, "/a.mp3", mp3), opened as session:
        reader = session.reader()
        reader.seek(-128, io.SEEK_END)
        assert (await asyncio.to_thread(reader.read, 3)) == b"TAG"
        reader.seek(0)
        assert await asyncio.to_thread(reader.read) == mp3
        await session.wait_complete()
    assert [r.byte_range for r in server.requests] == [
        RangeSpec(0),
        RangeSpec(len(mp3) - 128),
    ]


def decode(reader: Reader) -> int:
    with av.open(reader, "r", format="mov") as container:
        return sum(int(frame.samples) for frame in container.decode(audio=0))


async def test_an_index_at_the_end_is_a_head_and_a_tail(
    server: Server, source: Make, m4a: bytes
) -> None:
    opened = source(server.url("/a.m4a"))
    async with distant(server, "/a.m4a", m4a), opened as session:
        assert await asyncio.to_thread(decode, session.reader()) > 59 * 44_100
        await session.wait_complete()
    assert len(server.requests) == 2
    head, tail = server.requests
    assert head.byte_range == RangeSpec(0)
    assert tail.byte_range is not None
    assert tail.byte_range.start > len(m4a) * 0.9


async def test_opening_again(server: Server, source: Make, mp3: bytes) -> None:
    """What is complete needs none; a half needs one, with If-Range."""
    resource = server.add("/a.mp3", mp3, script=[{"stall_after": 2_000_000}])
    async with source(server.url("/a.mp3")) as session:
        assert len(await asyncio.to_thread(session.reader().read, 2_000_000)) == 2_000_000
    server.requests.clear()
    for _ in range(2):
        async with source(server.url("/a.mp3")) as session:
            assert await asyncio.to_thread(session.reader().read) == mp3
            await session.wait_complete()
    (request,) = server.requests
    assert request.byte_range == RangeSpec(2_000_000)
    assert request.headers["If-Range"] == '"' + request.headers["If-Range"].strip('"') + '"'
    assert resource.answers == 2
