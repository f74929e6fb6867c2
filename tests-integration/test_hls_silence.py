"""Lost segments of HLS as silence of their own length, to the frame, wherever they lie."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from hls_media import SECONDS, Samples, durations, pack, play, session
from kithara_net.testing import Server
from sample import RATE, melody

EDGE = 2048  # the codec's own overlap at either side of what is lost


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`packed/` as `make` gives it; `untold/` the same with no time stamps at all."""
    folder = tmp_path_factory.mktemp("recordings")
    for name in ("packed", "untold"):
        (folder / name).mkdir()
        pack(folder / name, melody(SECONDS))
    for path in (folder / "untold").glob("?.aac"):
        data = path.read_bytes()
        assert data.startswith(b"ID3")
        path.write_bytes(data[10 + data[9] :])
    return folder


def lose(server: Server, folder: Path, lost: set[int], *, breaks: set[int]) -> str:
    """Publish a recording that lacks some segments, with discontinuities before others."""
    lines: list[str] = []
    number = 0
    for line in (folder / "list.m3u8").read_text().splitlines():
        if line.startswith("#EXTINF"):
            lines += ["#EXT-X-DISCONTINUITY"] * (number in breaks) + ["#EXT-X-GAP"] * (
                number in lost
            )
            number += 1
        lines.append(line)
    server.serve_directory(folder)
    server.add("/lossy.m3u8", "\n".join(lines).encode())
    return server.url("/lossy.m3u8")


def check(heard: Samples, whole: Samples, told: list[float], lost: set[int]) -> None:
    """Nothing but what is lost differs, and that is silent."""
    assert heard.shape == whole.shape
    edges = [round(sum(told[:number]) * RATE) for number in range(len(told) + 1)]
    for number in range(len(told)):
        inner = slice(edges[number] + EDGE, edges[number + 1] - EDGE)
        if number in lost:
            assert not heard[inner].any(), number
        else:  # one frame off would be an error of 0.02 and more
            error = heard[inner] - whole[inner]
            assert np.sum(error**2) <= 2e-3**2 * error.size, number


@pytest.mark.parametrize("kind", ["packed", "untold"])
@pytest.mark.parametrize(
    ("lost", "breaks"),
    [
        ({2}, set()),
        ({0}, set()),
        ({7, 8}, set()),
        ({1, 2, 3, 4}, set()),
        ({1, 5}, set()),
        ({2}, {2}),
        ({2}, {3}),
        ({2, 3}, {2, 3, 4}),
        ({0, 4, 8}, {4}),
    ],
)
async def test_silence_is_as_long_as_what_is_lost(
    media: Path, tmp_path: Path, kind: str, lost: set[int], breaks: set[int]
) -> None:
    told = durations(media / kind / "list.m3u8")
    async with Server() as server:
        server.serve_directory(media / kind)
        async with session(server.url("/list.m3u8"), tmp_path / "whole") as opened:
            whole = await asyncio.to_thread(play, opened)
        url = lose(server, media / kind, lost, breaks=breaks)
        async with session(url, tmp_path / "lossy", lost="silence") as opened:
            check(await asyncio.to_thread(play, opened), whole, told, lost)


@pytest.mark.parametrize("kind", ["packed", "untold"])
@pytest.mark.parametrize("lost", [{0}, {2}, {2, 3}, {7, 8}])
async def test_a_seek_into_what_is_lost_is_silent_from_there_on(
    media: Path, tmp_path: Path, kind: str, lost: set[int]
) -> None:
    told = durations(media / kind / "list.m3u8")
    seek = sum(told[: min(lost)]) + 1
    async with Server() as server:
        url = lose(server, media / kind, lost, breaks=set())
        async with session(url, tmp_path, lost="silence") as opened:
            linear = await asyncio.to_thread(play, opened)
        async with session(url, tmp_path, lost="silence", offline=True) as opened:
            sought = await asyncio.to_thread(lambda: play(opened, seek=seek))
    begin, end = round(seek * RATE), round(sum(told[: max(lost) + 1]) * RATE)
    assert sought.shape == linear[begin:].shape
    assert not sought[: end - begin - EDGE].any()
    error = sought[end - begin + EDGE :] - linear[end + EDGE :]
    assert np.sum(error**2) <= 2e-3**2 * error.size
