"""Beside the hard cases of HLS: ending anywhere at once, and pictures that are never fetched."""

import asyncio
import os
import statistics
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from commands import ffmpeg_pcm
from hls_media import KEY, encrypted, play, session
from kithara_hls import PlaylistInvalid
from kithara_net import RetryPolicy
from kithara_net.testing import Behaviour, RequestRecord, Server
from kithara_stream import Reader
from sample import encode, melody

NEAR = 1e-4  # of full scale: two builds of FFmpeg's decoder
ROUNDS = 9
SIZE = 160_000  # bytes of a segment; the stalls below are in the midst of it


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


# -- ending anywhere ---------------------------------------------------------------------------


def asked(request: RequestRecord) -> bool:
    return request.status is None


def half_sent(request: RequestRecord) -> bool:
    return request.sent >= SIZE // 2


def answered(request: RequestRecord) -> bool:
    return request.finished


class Phase(NamedTuple):
    """Where a listener is when it is ended: which answer is how, and how far it got."""

    path: str
    behaviour: Behaviour
    reached: Callable[[RequestRecord], bool]


STALLED: Behaviour = {"stall_head": True}
PHASES = {
    "multivariant playlist": Phase("/master.m3u8", STALLED, asked),
    "media playlist": Phase("/list.m3u8", STALLED, asked),
    "key": Phase("/k.key", STALLED, asked),
    "init section": Phase("/init.mp4", STALLED, asked),
    "segment": Phase("/0.m4s", STALLED, asked),
    "body of a segment": Phase("/0.m4s", {"stall_after": SIZE // 2}, half_sent),
    "segment ahead": Phase("/1.m4s", STALLED, asked),
    "wait before a retry": Phase("/0.m4s", {"status": 503}, answered),
    "wait before the retry of a list": Phase("/list.m3u8", {"status": 503}, answered),
    "seek": Phase("/5.m4s", STALLED, asked),
    "end": Phase("/5.m4s", {}, answered),
}


def publish(server: Server, phase: Phase) -> None:
    """Six segments behind a key and an init section, with one answer as the phase wants it."""
    lines = ["#EXTM3U", "#EXT-X-PLAYLIST-TYPE:VOD", '#EXT-X-MAP:URI="init.mp4"']
    lines.append('#EXT-X-KEY:METHOD=AES-128,URI="k.key"')
    contents = {
        "/master.m3u8": b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlist.m3u8\n",
        "/k.key": KEY,
        "/init.mp4": bytes(700),
    }
    for number in range(6):
        contents[f"/{number}.m4s"] = encrypted(bytes([number]) * (SIZE - 1), number)
        lines += ["#EXTINF:6,", f"{number}.m4s"]
    contents["/list.m3u8"] = "\n".join(lines).encode()
    for path, content in contents.items():
        server.add(path, content, **(phase.behaviour if path == phase.path else {}))


async def listen(url: str, cache: Path, own: ThreadPoolExecutor, *, seek: bool) -> None:
    """Play in a thread, and stay open until somebody ends it."""

    def hear(reader: Reader) -> None:
        if seek:
            reader.read(1000)
            reader.seek_time(31.0)
        reader.read()

    patient = RetryPolicy(max_retries=9, base_delay=600, max_delay=600)
    async with session(url, cache, retry=patient, look_ahead=2 * SIZE) as opened:
        await asyncio.get_running_loop().run_in_executor(own, hear, opened.reader())
        await asyncio.Event().wait()


def descriptors() -> int | None:
    """How many this process has open (where the system can tell)."""
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.exists() else None


@pytest.mark.parametrize("name", PHASES)
async def test_a_listener_that_is_ended_is_gone_at_once(
    name: str, server: Server, tmp_path: Path
) -> None:
    phase = PHASES[name]
    publish(server, phase)
    await asyncio.to_thread(int)  # the loop's first thread
    took = []
    for number in range(ROUNDS):
        tasks, fds = asyncio.all_tasks(), descriptors()
        threads = set(threading.enumerate())
        server.requests.clear()
        with ThreadPoolExecutor(1) as own:  # leaving it waits for the reader
            url, cache = server.url("/master.m3u8"), tmp_path / str(number)
            listening = asyncio.create_task(listen(url, cache, own, seek=name == "seek"))
            await server.wait_for(lambda: any(map(phase.reached, server.requests_for(phase.path))))
            began = time.perf_counter()
            listening.cancel()
            await asyncio.wait([listening])
            took.append(time.perf_counter() - began)
        assert listening.cancelled()
        await server.wait_for(lambda: server.connections == 0)
        assert asyncio.all_tasks() == tasks
        left = set(threading.enumerate()) - threads
        assert [thread for thread in left if not thread.name.startswith("asyncio_")] == []
        assert descriptors() == fds
    assert statistics.median(took) < 0.1
    assert max(took) < 1


# -- pictures ----------------------------------------------------------------------------------

PICTURES = """#EXTM3U
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="/no/frames.m3u8",CODECS="avc1.4d401e"
#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID="angles",NAME="left",DEFAULT=YES,URI="/no/left.m3u8"
#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID="angles",NAME="right",URI="/no/right.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="en",DEFAULT=YES,URI="/no/text.m3u8"
"""
APART = """#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="en",DEFAULT=YES,URI="/audio/list.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS="avc1.4d401e,mp4a.40.2",AUDIO="sound",VIDEO="angles"
/no/high.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=100,CODECS="avc1.4d401e,mp4a.40.2",AUDIO="sound",SUBTITLES="text"
/no/low.m3u8
"""
WITHIN = """#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS="mp4a.40.2",VIDEO="angles",SUBTITLES="text"
/audio/list.m3u8
"""


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of AAC in `audio/`."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "audio").mkdir()
    options = {"hls_time": "2", "hls_playlist_type": "vod"}
    options |= {"hls_segment_filename": str(folder / "audio" / "%d.ts")}
    path = folder / "audio/list.m3u8"
    encode(path, melody(6), codec="aac", bit_rate=64_000, container="hls", options=options)
    return folder


@pytest.mark.parametrize("variant", ["auto", "best", "worst"])
@pytest.mark.parametrize("sound", [APART, WITHIN], ids=["apart", "within"])
async def test_pictures_are_never_asked_for(
    sound: str, variant: str, media: Path, server: Server, tmp_path: Path
) -> None:
    server.serve_directory(media)
    server.add("/master.m3u8", (PICTURES + sound).encode())
    async with session(server.url("/master.m3u8"), tmp_path / "cache", variant=variant) as opened:
        heard = await asyncio.to_thread(play, opened)
    whole = ffmpeg_pcm(media / "audio/list.m3u8")
    assert heard.shape == whole.shape
    assert np.abs(heard - whole).max() <= NEAR
    names = [f"/audio/{path.name}" for path in (media / "audio").iterdir()]
    assert sorted(request.path for request in server.requests) == sorted(["/master.m3u8", *names])


async def test_a_list_of_nothing_but_pictures_is_refused(server: Server, tmp_path: Path) -> None:
    server.add("/master.m3u8", PICTURES.encode())
    with pytest.raises(PlaylistInvalid, match="no variants"):
        async with session(server.url("/master.m3u8"), tmp_path / "cache"):
            pass
    assert [request.path for request in server.requests] == ["/master.m3u8"]
