"""HLS over a link with a round trip of 100 ms: first PCM, the whole, a seek; and CPU on loopback.

Three minutes of AAC at 128 kbit/s in segments of 6 s, as TS and as fragmented MP4, from the
multivariant playlist. The link is `slowlink.py` (a TCP relay; give its path with --slowlink),
20 Mbit/s. The figures of ffmpeg include the start of its process; ours and PyAV's do not include
Python's.
"""

import argparse
import asyncio
import io
import itertools
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp
import av

from kithara_assets import asset_store
from kithara_decode import AudioStream
from kithara_hls import HlsSession, HlsSource
from kithara_net import HttpClient
from kithara_stream import LoopThread
from peers import measure, nginx, report, timed
from sample import encode, melody

SECONDS = 180
SEEK_TO = 120.0
_FOLDERS = itertools.count()


@contextmanager
def session(url: str, folder: Path) -> Iterator[tuple[HlsSession, LoopThread]]:
    """Open with an empty cache, in a loop of its own."""
    cache = folder / f"cache{next(_FOLDERS)}"
    with LoopThread() as loop, asset_store(cache) as store:
        net = HttpClient()
        opened = loop.run(HlsSource(url, store=store, net=net).open())
        try:
            yield opened, loop
        finally:
            loop.run(opened.aclose())
            loop.run(net.aclose())
    shutil.rmtree(cache)


def ours_first(url: str, folder: Path, _: int) -> float:
    """Open, take one chunk."""

    def work() -> None:
        with session(url, folder) as (opened, _), AudioStream(opened.reader()) as audio:
            next(iter(audio))
            times.append(time.perf_counter() - began)

    times: list[float] = []
    began = time.perf_counter()
    work()
    return times[0]


def ours_whole(url: str, folder: Path, _: int) -> float:
    """Decode all of it."""

    def work() -> None:
        with session(url, folder) as (opened, _), AudioStream(opened.reader()) as audio:
            assert sum(len(chunk.data) for chunk in audio) > (SECONDS - 1) * 44_100

    return timed(work)


def ours_seek(url: str, folder: Path, _number: int) -> float:
    """Seek to a minute that was not fetched, after the first chunk; take one chunk."""
    with session(url, folder) as (opened, _), AudioStream(opened.reader()) as audio:
        chunks = iter(audio)
        next(chunks)
        began = time.perf_counter()
        audio.seek(SEEK_TO)
        assert next(chunks).start == round(SEEK_TO * audio.spec.sample_rate)
        return time.perf_counter() - began


def pyav_first(url: str, _: int) -> float:
    """Open with FFmpeg's own network code, take one frame."""

    def work() -> None:
        with av.open(url) as container:
            next(container.decode(audio=0))

    return timed(work)


def pyav_whole(url: str, _: int) -> float:
    """Decode all of it."""

    def work() -> None:
        with av.open(url) as container:
            for _ in container.decode(audio=0):
                pass

    return timed(work)


async def fetch(url: str) -> bytes:
    """All segments of the only variant, joined."""

    async def text(url: str) -> list[str]:
        async with http.get(url) as answer:
            return (await answer.text()).splitlines()

    async def part(name: str) -> bytes:
        async with http.get(urljoin(url, name)) as answer:
            return await answer.read()

    async with aiohttp.ClientSession() as http:
        (variant,) = (line for line in await text(url) if not line.startswith("#"))
        lines = await text(urljoin(url, variant))
        init = [line.split('"')[1] for line in lines if line.startswith("#EXT-X-MAP")]
        segments = [line for line in lines if not line.startswith("#")]
        return b"".join([await part(name) for name in init + segments])


def pyav_fed(url: str, _: int) -> float:
    """The least that Python needs: fetch all with aiohttp, decode that, keep nothing."""

    def work() -> None:
        with av.open(io.BytesIO(asyncio.run(fetch(url))), "r") as container:
            for frame in container.decode(audio=0):
                frame.to_ndarray()

    return timed(work)


def pyav_seek(url: str, _: int) -> float:
    """Seek after the first frame, take one frame."""
    with av.open(url) as container:
        next(container.decode(audio=0))
        began = time.perf_counter()
        container.seek(int(SEEK_TO * av.time_base))
        next(container.decode(audio=0))
        return time.perf_counter() - began


def ffmpeg(url: str, options: list[str], size: int, _: int) -> float:
    """Read so many bytes of what the command writes, all for -1."""

    def work() -> None:
        words = ["ffmpeg", "-v", "error", *options, "-i", url, "-map", "a:0", "-f", "f32le", "-"]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            while process.stdout.read(size) and size < 0:
                pass
            process.kill()

    return timed(work)


def cpu(run: Callable[[int], float], number: int) -> float:
    """Seconds of CPU that a run in this process takes."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    run(number)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextmanager
def slow_link(program: Path, port: int) -> Iterator[int]:
    """A relay to ``port``; gives its own port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = probe.getsockname()[1]
    words = [sys.executable, str(program), "--listen", str(listen), "--to", str(port)]
    process = subprocess.Popen([*words, "--rtt-ms", "100", "--mbit", "20"])
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", listen)).close()
            except ConnectionRefusedError:
                continue
            break
        yield listen
    finally:
        process.terminate()
        process.wait()


def make(folder: Path, kind: str) -> None:
    """The recording, and its multivariant playlist."""
    folder.mkdir()
    suffix = "m4s" if kind == "fmp4" else "ts"
    encode(
        folder / "aac.m3u8",
        melody(SECONDS),
        codec="aac",
        bit_rate=128_000,
        container="hls",
        options={
            "hls_time": "6",
            "hls_playlist_type": "vod",
            "hls_segment_type": kind,
            "hls_fmp4_init_filename": "init.mp4",
            "hls_segment_filename": str(folder / f"aac-%03d.{suffix}"),
        },
    )
    line = '#EXT-X-STREAM-INF:BANDWIDTH=140000,CODECS="mp4a.40.2"'
    (folder / "master.m3u8").write_text(f"#EXTM3U\n#EXT-X-VERSION:7\n{line}\naac.m3u8\n")


def compare(kind: str, url: str, fast: str, media: Path, rounds: int) -> None:
    """Print the tables of one kind of segments."""
    tables: list[tuple[str, dict[str, Callable[[int], float]]]] = [
        (
            "first PCM",
            {
                "kithara": partial(ours_first, url, media),
                "PyAV": partial(pyav_first, url),
                "ffmpeg": partial(ffmpeg, url, [], 16 * 1024),
            },
        ),
        (
            "decoding the whole",
            {
                "kithara": partial(ours_whole, url, media),
                "PyAV": partial(pyav_whole, url),
                "ffmpeg": partial(ffmpeg, url, [], -1),
            },
        ),
        (
            "seek to a minute not fetched",
            {
                "kithara": partial(ours_seek, url, media),
                "PyAV": partial(pyav_seek, url),
                "ffmpeg, opened there": partial(ffmpeg, url, ["-ss", f"{SEEK_TO:g}"], 16 * 1024),
            },
        ),
    ]
    for what, runs in tables:
        report(f"{kind}: {what} (100 ms, 20 Mbit/s)", "s", measure(runs, rounds))
    runs = {
        "kithara": partial(cpu, partial(ours_whole, fast, media)),
        "PyAV": partial(cpu, partial(pyav_whole, fast)),
        "aiohttp and PyAV": partial(cpu, partial(pyav_fed, fast)),
    }
    report(f"{kind}: CPU for the whole on loopback", "s", measure(runs, rounds))


def main() -> None:
    """Print a table for each kind of segments and each question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slowlink", type=Path, help="the path of slowlink.py")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", nargs="*", default=["mpegts", "fmp4"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        media = Path(name)
        for kind in options.kinds:
            make(media / kind, kind)
        with nginx(media) as base:
            if options.slowlink is None:
                print("no --slowlink: over loopback, which says nothing about latency")
                for kind in options.kinds:
                    url = f"{base}/{kind}/master.m3u8"
                    compare(kind, url, url, media, options.rounds)
                return
            with slow_link(options.slowlink, urlsplit(base).port or 80) as port:
                for kind in options.kinds:
                    path = f"{kind}/master.m3u8"
                    slow, fast = f"http://127.0.0.1:{port}/{path}", f"{base}/{path}"
                    compare(kind, slow, fast, media, options.rounds)


if __name__ == "__main__":
    main()
