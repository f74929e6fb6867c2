"""A source that is written the way HLS is: segments of which each tells its time."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from decode_files import Media, Unseekable, ffmpeg

CODECS: dict[str, tuple[str, ...]] = {
    "aac": ("-c:a", "aac", "-aac_pns", "0"),
    "aac-edit": ("-c:a", "aac", "-aac_pns", "0"),
    "opus-voice": ("-c:a", "libopus", "-strict", "-2", "-ac", "1", "-b:a", "8k"),
    "opus": ("-c:a", "libopus", "-strict", "-2"),
    "flac": ("-c:a", "flac", "-strict", "-2"),
    "alac": ("-c:a", "alac"),
    "ts": ("-c:a", "aac", "-aac_pns", "0"),
    "mp3.ts": ("-c:a", "libmp3lame", "-b:a", "128k"),
}


class Segmented:
    """An init section, maybe empty, and the segments behind it; made once by ffmpeg."""

    def __init__(
        self, media: Media, codec: str, *, frames: int = 150_000, rate: int = 44100
    ) -> None:
        name = f"hls-{codec}-{frames}-{rate}"
        folder = media.folder / name
        if not folder.exists():
            folder.mkdir()
            source = media.pcm(f"tones-{frames}-2.wav", frames=frames)
            fragments = ("-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4")
            coding = CODECS[codec]
            ffmpeg("-i", source, *coding, "-ar", str(48000 if "opus" in codec else rate),
                   "-f", "hls", "-hls_time", "0.5", "-hls_list_size", "0",
                   *(() if codec.endswith("ts") else fragments),
                   "-hls_segment_filename", folder / "%d.seg", folder / "list.m3u8")  # fmt: skip
        self.init = _content(folder / "init.mp4")
        if codec == "aac-edit":  # as other packagers do it: the sound begins behind the priming
            at = self.init.index(b"elst") + 16
            self.init = self.init[:at] + (1024).to_bytes(4) + self.init[at + 4 :]
        self.segments = [
            _content(folder / f"{number}.seg") for number in range(len(list(folder.glob("*.seg"))))
        ]
        times = [first_time(self.init + segment) for segment in self.segments]
        self.seconds = [time - times[0] for time in times]


def first_time(content: bytes) -> Fraction:
    with av.open(io.BytesIO(content), "r", options={"ignore_editlist": "1"}) as container:
        for packet in container.demux(audio=0):
            if packet.pts is not None and packet.time_base is not None:
                return packet.pts * packet.time_base
    raise AssertionError("a segment without a packet")


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


class Interrupted(Exception):
    """What the source's blocked reads raise."""


class SpanOfSegments(Unseekable):
    """An init section and segments; blocks once `hold` bytes were read, until told otherwise."""

    def __init__(self, owner: TimedFiles, first: int, stop: int) -> None:
        media = owner.media
        super().__init__(media.init + b"".join(media.segments[first:stop]), step=3000)
        self.container: str | None = None
        self.timeline = 0
        self.seconds = media.seconds[first] if owner.tells_times else None
        self._owner = owner
        self._first = first

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # narrower
        self._owner.wait(self._first)
        return super().readinto(buffer)


class TimedFiles:
    """A source of one span, or of a span per `step` segments, that finds places by their time.

    After `hold(True)` all of it blocks, and the reads of spans that begin with one of the segments
    in `missing` always do, until an interruption or a close.
    """

    def __init__(self, media: Segmented, *, step: int = 1 << 30) -> None:
        self.media = media
        self.asked: list[float] = []
        self.missing: set[int] = set()
        self.tells_times = True
        self.blocked = threading.Event()
        self._step = step
        self._first = 0
        self._changed = threading.Condition()
        self._held = self._interrupted = self._closed = False

    @property
    def duration(self) -> float:
        return 123.0

    def spans(self) -> Iterator[SpanOfSegments]:
        count = len(self.media.segments)
        for first in range(self._first, count, self._step):
            self.wait()
            yield SpanOfSegments(self, first, min(count, first + self._step))

    def seek_time(self, seconds: float) -> Fraction | None:
        self.wait()
        self.asked.append(seconds)
        self._first = max(i for i, time in enumerate(self.media.seconds) if time <= seconds)
        return self.media.seconds[self._first]

    def hold(self, held: bool) -> None:
        with self._changed:
            self._held = held
            self._changed.notify_all()

    def wait(self, first: int | None = None) -> None:
        with self._changed:
            while not (self._interrupted or self._closed) and (self._held or first in self.missing):
                self.blocked.set()
                self._changed.wait()
            if self._closed or self._interrupted:
                raise Interrupted

    def interrupt(self) -> None:
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    def proceed(self) -> None:
        with self._changed:
            self._interrupted = False
            self.blocked.clear()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
