"""The whole way on one machine: a slow link, sound before the end, then no server at all.

Needs no network: it makes its own media and serves them on loopback through a throttle.
"""

import hashlib
import shutil
import time
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

import kithara
from kithara_net.testing import ThreadedServer
from sample import make_ladder, make_mp3, melody

SECONDS = 30
BYTES_PER_SECOND = 250_000
OUTPUT = Path("demo-output")

console = Console(highlight=False)


@dataclass
class Pass:
    """One decode of one URL."""

    name: str
    where: str
    frames: int
    first_pcm: float
    seconds: float
    bytes_at_first_pcm: int
    stats: kithara.TransferStats
    sha256: str
    wav: Path


def decode(name: str, url: str, wav: Path, *, offline: bool) -> Pass:
    """Decode a URL into a 16-bit WAV while showing how it goes."""
    digest, frames, shown = hashlib.sha256(), 0, 0.0
    columns = (
        TextColumn("  {task.description:<16}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
    )
    started = time.monotonic()
    with (
        kithara.open(url, cache=OUTPUT / "cache", offline=offline) as track,
        wave.open(str(wav), "wb") as out,
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
    ):
        first_pcm, first_bytes = 0.0, 0
        task = progress.add_task(name, total=SECONDS, note="")
        out.setparams((track.spec.channels, 2, track.spec.sample_rate, 0, "NONE", ""))
        for chunk in track:
            if not frames:
                first_pcm, first_bytes = time.monotonic() - started, track.stats.bytes_received
            digest.update(chunk.data.data)
            out.writeframes((chunk.data.clip(-1, 1) * 32767).astype(np.int16).tobytes())
            frames += len(chunk.data)
            note = f"{track.position:5.1f} s of sound, {track.stats.bytes_received / 1e3:6.1f} kB"
            progress.update(task, completed=track.position, note=note)
            if not console.is_terminal and track.position >= shown:
                console.print(f"  {name:<10} {note}")
                shown += 10
        if not offline:
            track.wait_complete()
        return Pass(
            name=name,
            where="cache" if offline else "network",
            frames=frames,
            first_pcm=first_pcm,
            seconds=time.monotonic() - started,
            bytes_at_first_pcm=first_bytes,
            stats=track.stats,
            sha256=digest.hexdigest(),
            wav=wav,
        )


def main() -> None:
    """Run the demonstration."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    media = OUTPUT / "media"
    media.mkdir(parents=True)
    console.print(
        f"[bold]1.[/] Encoding {SECONDS} s of music: an MP3 and a three-variant AAC HLS ladder"
    )
    pcm = melody(SECONDS)
    make_mp3(media / "melody.mp3", pcm)
    make_ladder(media / "hls", pcm)

    names = {"HLS, best": "/hls/master.m3u8", "MP3": "/melody.mp3"}
    passes = []
    with ThreadedServer(bytes_per_second=BYTES_PER_SECOND) as server:
        server.serve_directory(media)
        console.print(f"[bold]2.[/] Playing them over a link of {BYTES_PER_SECOND // 1000} kB/s")
        urls = {name: server.url(path) for name, path in names.items()}
        for number, (name, url) in enumerate(urls.items()):
            passes.append(decode(name, url, OUTPUT / f"{number}-network.wav", offline=False))
    console.print("[bold]3.[/] The server is gone; playing them again from the cache")
    for number, (name, url) in enumerate(urls.items()):
        passes.append(decode(name, url, OUTPUT / f"{number}-cache.wav", offline=True))

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in (
        "what",
        "from",
        "frames",
        "first PCM",
        "all of it",
        "requests",
        "network",
        "cache",
    ):
        table.add_column(heading, justify="left" if heading in ("what", "from") else "right")
    for done in passes:
        table.add_row(
            done.name,
            done.where,
            str(done.frames),
            f"{done.first_pcm * 1e3:.0f} ms",
            f"{done.seconds:.2f} s",
            str(done.stats.requests),
            f"{done.stats.bytes_received / 1e3:.1f} kB",
            f"{done.stats.bytes_cached / 1e3:.1f} kB",
        )
    console.print("[bold]4.[/] Where each byte came from")
    console.print(table)
    half = len(passes) // 2
    for online, again in zip(passes[:half], passes[half:], strict=True):
        part = online.bytes_at_first_pcm / max(1, online.stats.bytes_received)
        same = "the same samples" if online.sha256 == again.sha256 else "DIFFERENT SAMPLES"
        console.print(
            f"  {online.name}: sound began with {part:.0%} of the bytes here; "
            f"from the cache: {same} (sha256 {again.sha256[:16]}…)",
            soft_wrap=True,
        )
    console.print("  WAV files: " + ", ".join(str(done.wav) for done in passes), soft_wrap=True)
    console.print(f"  Cache:     {OUTPUT / 'cache'}")
    if any(a.sha256 != b.sha256 for a, b in zip(passes[:half], passes[half:], strict=True)):
        raise SystemExit("the cache played something else than the network")


if __name__ == "__main__":
    main()
