"""Seconds to the first PCM, and from a seek to PCM that is not fetched yet, on a distant server.

    python bench_latency.py slowlink.py [--rtt-ms 100] [--mbit 20] [--minutes 10]

or with the relay's path in SLOWLINK; without a relay nothing is measured.

nginx serves on loopback behind a relay, `slowlink.py --listen A --to B --rtt-ms R --mbit M`, which
delays and shapes. ffmpeg's and mpv's figures include the start of their process; their seek is a
start at that time, since a command line has no other. Peers that are not installed are left out.

"bare requests" is what no player can beat: connections, requests for the bytes that the decoder
asks for, one after the other, and their transfer, with nothing decoded.
"""

import argparse
import asyncio
import contextlib
import http.client
import io
import os
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

import av

from kithara_assets import MemoryAssetStore
from kithara_decode import AudioStream, open_decoder
from kithara_file import FileSession, FileSource
from kithara_net import HttpClient, RetryNet
from peers import measure, nginx, report, timed
from sample import encode, melody

ROUNDS = 5
SEEK = 0.8  # of the duration
FIRST_TARGET, SEEK_TARGET = 0.75, 0.6
BARE = "bare requests"


@contextmanager
def slow_link(program: Path, port: int, rtt_ms: float, mbit: float) -> Iterator[str]:
    """Relay to a port of loopback; gives the base URL on the near side."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        near = probe.getsockname()[1]
    words = [sys.executable, str(program), "--listen", str(near), "--to", str(port)]
    with subprocess.Popen([*words, "--rtt-ms", str(rtt_ms), "--mbit", str(mbit)]) as process:
        try:
            while process.poll() is None:
                with contextlib.suppress(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", near)).close()
                    break
            yield f"http://127.0.0.1:{near}"
        finally:
            process.terminate()


async def listening(url: str, seek: float | None) -> float:
    """Open with an empty cache and take one chunk; or the seconds of a seek after that."""
    began = time.perf_counter()
    async with HttpClient() as client:
        with MemoryAssetStore() as store:
            session: FileSession
            async with FileSource(url, store=store, net=RetryNet(client)) as session:
                audio = AudioStream(session.reader())
                try:
                    await anext(audio)
                    if seek is not None:
                        began = time.perf_counter()
                        audio.seek(seek)
                        await anext(audio)
                    return time.perf_counter() - began
                finally:
                    await audio.aclose()


def through_kithara(url: str, seek: float | None, _: int) -> float:
    """Our own way, without the command line around it."""
    return asyncio.run(listening(url, seek))


def through_pyav(url: str, seek: float | None, _: int) -> float:
    """Open the URL with FFmpeg's own network code, and take one frame."""
    began = time.perf_counter()
    with av.open(url) as container:
        next(container.decode(audio=0))
        if seek is not None:
            began = time.perf_counter()
            container.seek(int(seek * 1_000_000))
            next(container.decode(audio=0))
        return time.perf_counter() - began


def through_command(words: list[str], url: str, seek: float | None, _: int) -> float:
    """Read the first 16 KiB that a command writes."""
    began = "0" if seek is None else str(seek)
    command = [word.replace("URL", url).replace("SECONDS", began) for word in words]

    def work() -> None:
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.read(16 * 1024)
            process.kill()

    return timed(work)


class Watched(io.FileIO):
    """A file that hands out small pieces, and notes what is read of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.ranges: list[tuple[int, int]] = []

    def readinto1(self, buffer: memoryview) -> int:
        """Read at most 4 KiB."""
        start = self.tell()
        count = self.readinto(buffer[:4096]) or 0
        if self.ranges and self.ranges[-1][1] == start:
            start = self.ranges.pop()[0]
        self.ranges.append((start, self.tell()))
        return count


def needed(path: Path, seek: float | None) -> list[tuple[int, int]]:
    """The ranges that the decoder reads for the first frame, or for one after a seek."""
    with Watched(path) as file, open_decoder(file) as decoder:
        decoder.read(1)
        if seek is not None:
            file.ranges.clear()
            decoder.seek(int(seek * decoder.spec.sample_rate))
            decoder.read(1)
        return file.ranges


def through_bare_requests(url: str, ranges: list[tuple[int, int]], warm: bool, _: int) -> float:
    """Ask for ranges, each on a connection of its own that is opened before the first request.

    A warm connection has answered already.
    """
    host, path = url.removeprefix("http://").split("/", 1)
    connections = [http.client.HTTPConnection(host) for _ in ranges]

    def ask(ranges: list[tuple[int, int]]) -> None:
        for connection, (start, stop) in zip(connections, ranges, strict=True):
            headers = {"Range": f"bytes={start}-{stop - 1}"}
            connection.request("GET", f"/{path}", headers=headers)
            connection.getresponse().read()

    def work() -> None:
        for connection in connections:
            if connection.sock is None:
                connection.connect()
        ask(ranges)

    if warm:
        ask([(0, 1)] * len(ranges))
    return timed(work)


FFMPEG = ["ffmpeg", "-v", "error", "-ss", "SECONDS", "-i", "URL", "-map", "a:0", "-f", "f32le", "-"]
MPV = ["mpv", "--no-config", "--no-video", "--really-quiet", "--start=SECONDS", "--ao=pcm"]
MPV += ["--ao-pcm-file=/dev/stdout", "URL"]


def make_media(folder: Path, minutes: float) -> None:
    """An MP3, and M4A with their index before and behind the sound."""
    pcm = melody(minutes * 60)
    encode(folder / "a.mp3", pcm, codec="libmp3lame", bit_rate=128_000)
    for name, options in (("head.m4a", {"movflags": "+faststart"}), ("tail.m4a", {})):
        path = folder / name
        encode(path, pcm, codec="aac", bit_rate=128_000, container="ipod", options=options)


def runs_for(url: str, path: Path, seek: float | None) -> dict[str, Callable[[int], float]]:
    """Everybody who is installed."""
    ranges = needed(path, seek)
    runs: dict[str, Callable[[int], float]] = {
        "kithara": partial(through_kithara, url, seek),
        BARE: partial(through_bare_requests, url, ranges, seek is not None),
        "PyAV, its own network": partial(through_pyav, url, seek),
    }
    if shutil.which("ffmpeg"):
        runs["ffmpeg"] = partial(through_command, FFMPEG, url, seek)
    if shutil.which("mpv"):
        runs["mpv"] = partial(through_command, MPV, url, seek)
    return runs


def show(title: str, medians: dict[str, float], target: float) -> None:
    """Print a table, and ours against the best of the others."""
    report(title, "s", medians)
    best = min(value for name, value in medians.items() if name not in ("kithara", BARE))
    print(f"  {medians['kithara'] - medians[BARE]:+.3f} s over the bare requests")
    print(f"  {medians['kithara'] / best:.2f} × the best of them (target {target})")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    relay = os.environ.get("SLOWLINK")
    parser.add_argument("slowlink", type=Path, nargs="?", default=relay, help="the relay")
    parser.add_argument("--rtt-ms", type=float, default=100.0)
    parser.add_argument("--mbit", type=float, default=20.0)
    parser.add_argument("--minutes", type=float, default=10.0, help="of sound in each file")
    asked = parser.parse_args()
    if asked.slowlink is None:
        print("bench_latency: left out, since it was not told where the relay is")
        return
    with tempfile.TemporaryDirectory() as folder:
        media = Path(folder)
        make_media(media, asked.minutes)
        with nginx(media) as base:
            far = int(base.rpartition(":")[2])
            with slow_link(asked.slowlink, far, asked.rtt_ms, asked.mbit) as near:
                for name in ("a.mp3", "head.m4a", "tail.m4a"):
                    url = f"{near}/{name}"
                    first = measure(runs_for(url, media / name, None), ROUNDS)
                    show(f"first PCM of {name}", first, FIRST_TARGET)
                    seek = asked.minutes * 60 * SEEK
                    sought = measure(runs_for(url, media / name, seek), ROUNDS)
                    show(f"seek in {name}", sought, SEEK_TARGET)


if __name__ == "__main__":
    main()
