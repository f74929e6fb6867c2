"""Seconds from the URL to the first PCM over a slow link, against ffmpeg and PyAV.

Loopback only: the media are made here, the link is the test server's throttle (1 Mbit/s). The
ffmpeg figure includes the start of its process; ours and PyAV's do not include Python's.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av

import kithara
from kithara_net.testing import ThreadedServer
from peers import measure, report, timed
from sample import make_ladder, make_mp3, melody

ROUNDS = 5
BYTES_PER_SECOND = 125_000


def through_kithara(url: str, folder: Path, number: int) -> float:
    """Open with an empty cache, and take one chunk."""

    def work() -> None:
        with kithara.open(url, cache=folder / f"cache{number}") as track:
            next(track)

    return timed(work)


def through_pyav(url: str, _: int) -> float:
    """Open the URL with FFmpeg's own network code, and take one frame."""

    def work() -> None:
        with av.open(url) as container:
            next(container.decode(audio=0))

    return timed(work)


def through_ffmpeg(url: str, _: int) -> float:
    """Read the first 16 KiB that the command writes."""

    def work() -> None:
        words = ["ffmpeg", "-v", "error", "-i", url, "-map", "a:0", "-f", "f32le", "-"]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.read(16 * 1024)
            process.kill()

    return timed(work)


def main() -> None:
    """Print a table for each kind of URL."""
    with tempfile.TemporaryDirectory() as folder:
        media = Path(folder)
        pcm = melody(30)
        make_mp3(media / "melody.mp3", pcm)
        make_ladder(media / "fmp4", pcm)
        make_ladder(media / "ts", pcm, kind="mpegts")
        with ThreadedServer(bytes_per_second=BYTES_PER_SECOND) as server:
            server.serve_directory(media)
            for name in ("melody.mp3", "fmp4/aac-2.m3u8", "ts/aac-2.m3u8"):
                url = server.url(f"/{name}")
                runs: dict[str, Callable[[int], float]] = {
                    "kithara": partial(through_kithara, url, media),
                    "PyAV, its own network": partial(through_pyav, url),
                }
                if shutil.which("ffmpeg"):
                    runs["ffmpeg"] = partial(through_ffmpeg, url)
                report(f"first PCM of {name} at 1 Mbit/s", "s", measure(runs, ROUNDS))
                for cache in media.glob("cache*"):
                    shutil.rmtree(cache)


if __name__ == "__main__":
    main()
