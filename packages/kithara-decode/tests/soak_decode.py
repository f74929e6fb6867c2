"""Long runs, on demand: memory that must stay flat, and the processor time of slow arrival.

    python tests/soak_decode.py open 10000     open, read a little and close, per format
    python tests/soak_decode.py decode 24      decode hours of audio, per format
    python tests/soak_decode.py bare 10000     PyAV's share: open, decode and close by it alone
    python tests/soak_decode.py arrive 1       hours of MP3 that arrive at 8 KiB/s, in virtual time

Names of formats behind that ("soak.mp3 soak.ogg") choose among them.

Time is virtual: every kilobyte arrives by a hand-over from another thread, as it would from a
network, only without the wait in between. What is counted is the processor time.

Decoding is flat for every format. Opening is, too, where our own C extension decodes. PyAV 18 with
FFmpeg 8 loses some 150 bytes of malloc's with every AAC codec that has decoded anything: 1.5 MiB in
10,000 openings, in `bare` as much as in `open`, whatever is collected or trimmed.
"""

from __future__ import annotations

import gc
import io
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import av
from decode_files import Media

from kithara_decode import AudioStream, open_decoder

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ARRIVAL = 8192  # bytes per second
PIECE = 1024
SECONDS = 60
FORMATS = {
    "soak.wav": (), "soak.flac": (), "soak.mp3": ("-b:a", "64k"),
    "soak.ogg": ("-c:a", "libvorbis"), "soak.opus": ("-c:a", "libopus"),
    "soak.m4a": ("-c:a", "aac"), "soak.aac": ("-c:a", "aac"),
}  # fmt: skip


class Trickle(io.RawIOBase):
    """Content that repeats, a piece at a time, each handed over by another thread."""

    def __init__(self, content: bytes, size: int) -> None:
        self._content = content
        self._size = size
        self._wanted, self._there = threading.Semaphore(0), threading.Semaphore(0)
        self.pieces = 0
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()

    def _send(self) -> None:
        for _ in range(0, self._size, PIECE):
            self._wanted.acquire()
            self.pieces += 1
            self._there.release()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with memoryview(buffer).cast("B") as view:
            start = self.pieces * PIECE
            if start >= self._size:
                return 0
            self._wanted.release()
            self._there.acquire()
            at = start % len(self._content)
            piece = self._content[at : at + min(PIECE, len(view))]
            if len(piece) < PIECE <= len(view):
                piece += self._content[: PIECE - len(piece)]
            view[: len(piece)] = piece
            return len(piece)


def resident() -> float:
    """Resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def made(media: Media) -> dict[str, bytes]:
    return {
        name: media.coded(name, *options, frames=SECONDS * 44100).read_bytes()
        for name, options in FORMATS.items()
        if name in (sys.argv[3:] or FORMATS)
    }


def open_often(media: Media, cycles: int) -> None:
    for name, content in made(media).items():
        sizes = []
        for cycle in range(cycles):
            with open_decoder(io.BytesIO(content)) as decoder:
                decoder.read(2000)
            if cycle % max(1, cycles // 5) == 0:
                gc.collect()
                sizes.append(round(resident(), 1))
        say(f"{name}: {cycles} times, MiB: {sizes} {round(resident(), 1)}")


def open_bare(media: Media, cycles: int) -> None:
    for name, content in made(media).items():
        if not name.endswith(("m4a", "aac")):
            continue
        sizes = []
        for cycle in range(cycles):
            with av.open(io.BytesIO(content), "r", buffer_size=65536) as container:
                next(container.decode(audio=0))
            if cycle % max(1, cycles // 5) == 0:
                gc.collect()
                sizes.append(round(resident(), 1))
        say(f"{name}: PyAV alone, {cycles} times, MiB: {sizes} {round(resident(), 1)}")


def decode_long(media: Media, hours: float) -> None:
    for name, content in made(media).items():
        sizes: list[float] = []
        played = 0.0
        with open_decoder(io.BytesIO(content)) as decoder:
            while played < hours * 3600:
                for block in decoder.blocks(8192):
                    played += len(block) / decoder.spec.sample_rate
                decoder.seek(0)
                if played > len(sizes) * hours * 3600 / 5:
                    sizes.append(round(resident(), 1))
        say(f"{name}: {played / 3600:.1f} h, MiB: {sizes} {round(resident(), 1)}")


def arrive_slowly(media: Media, hours: float) -> None:
    content = media.coded("soak.mp3", *FORMATS["soak.mp3"], frames=SECONDS * 44100).read_bytes()
    file = Trickle(content, int(hours * 3600 * ARRIVAL))
    before = time.process_time()
    with AudioStream(file) as stream:
        frames = sum(len(chunk.data) for chunk in stream)
        used = time.process_time() - before
        rate = stream.spec.sample_rate
    say(f"{frames / rate / 3600:.2f} h of sound in {hours:.2f} h of arrival, {file.pieces} pieces: "
        f"{used:.2f} s of processor time, {100 * used / hours / 3600:.3f} %")  # fmt: skip


def main() -> None:
    runs = {"open": open_often, "bare": open_bare, "decode": decode_long, "arrive": arrive_slowly}
    with tempfile.TemporaryDirectory() as folder:
        runs[sys.argv[1]](Media(Path(folder)), int(sys.argv[2]))


if __name__ == "__main__":
    main()
