"""Damages small files at random and decodes them: nothing but our own errors may come out.

    python packages/kithara-decode/tests/fuzz_decode.py --runs 200000

Needs the ffmpeg command line once, for the seeds. With the C side under AddressSanitizer: see
"Fuzzing" in the README. A run that crashes or hangs is repeated by its number: --first N --runs 1.
With --steady all are MPEG audio of one bit rate, so long that the places of seeks are computed.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import cast, get_args

sys.path.insert(0, str(Path(__file__).parent))

from decode_files import Media, Seekable, Unseekable

from kithara_decode import AudioStream, DecodeError, SpanFiles, open_decoder
from kithara_decode._pcm import SampleType
from kithara_decode._sniff import _BITRATES

HANG_SECONDS = 30
MOST_FRAMES = 100_000
MOST_MIB = 1000
FFMPEG: dict[str, tuple[str, ...]] = {
    "s.mp3": ("-b:a", "64k"), "bare.mp3": ("-q:a", "6", "-write_xing", "0"), "s.mp2": (),
    "s.ogg": ("-c:a", "libvorbis"), "s.opus": ("-c:a", "libopus", "-ar", "48000"),
    "flac.ogg": ("-c:a", "flac"), "s.flac": (), "deep.flac": ("-sample_fmt", "s32"),
    "adpcm.wav": ("-c:a", "adpcm_ima_wav"), "s.wav": (), "s.caf": (), "s.w64": (), "s.au": (),
    "s.aiff": (), "tags.mp3": ("-metadata", "title=Some title", "-id3v2_version", "3"),
}  # fmt: skip
WITH_AV: dict[str, tuple[str, ...]] = {
    "frag.mp4": ("-c:a", "aac", "-movflags", "+empty_moov", "-frag_duration", "20000"),
    "opus.mka": ("-c:a", "libopus", "-ar", "48000"),
    "s.aac": (), "s.m4a": (), "alac.m4a": ("-c:a", "alac"), "s.ts": ("-c:a", "aac"), "s.mka": (),
}  # fmt: skip


def seeds(folder: Path, *, av: bool) -> list[bytes]:
    media = Media(folder)
    wanted = FFMPEG | (WITH_AV if av else {})
    made = [
        media.coded(f"{channels}{name}", *options, frames=2500, channels=channels).read_bytes()
        for name, options in wanted.items()
        for channels in (1, 2)
    ]
    changing = [mono + stereo + mono for mono, stereo in zip(made[::2], made[1::2], strict=True)]
    ogg = ("s.ogg", "s.opus", "flac.ogg")
    links = [
        [media.coded(f"{number}{name}", *FFMPEG[name], frames=frames).read_bytes()
         for number, frames in enumerate((90, 90, 2500, 2500, 90))]
        for name in ogg
    ]  # fmt: skip
    chains = [b"".join(parts) for parts in links]
    twice = [made[6] * 2, made[8] * 2, made[10] * 2]  # one serial number twice
    return [*made, *changing, *chains, *twice, made[0] + made[-1]]


def mutated(rng: random.Random, kinds: list[bytes]) -> bytes:
    content = bytearray(rng.choice(kinds))
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(content) or 1)
        if rng.random() < 0.4:
            at = min(at, rng.randrange(300))  # headers matter most
        size = rng.choice((1, 2, 4, 4, 8, 64, 500))
        kind = rng.randrange(8)
        if kind == 0 and content:
            content[at % len(content)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            content[at : at + size] = rng.randbytes(size)
        elif kind == 2:
            content[at : at + size] = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * size
        elif kind == 3:
            del content[at : at + size]
        elif kind == 4:
            content[at:at] = content[at : at + size]
        elif kind == 5:
            other = rng.choice(kinds)
            start = rng.randrange(len(other))
            content[at : at + size] = other[start : start + size]
        elif kind == 6 and rng.random() < 0.3:
            del content[at:]
        else:
            number = rng.choice((0, 1, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, len(content)))
            content[at : at + 4] = number.to_bytes(4, rng.choice(("little", "big")))
    return bytes(content)


def steady(rng: random.Random) -> bytes:
    """Make MPEG audio of one bit rate, or nearly so, with a tag that may lie, and other bytes."""
    version, layer = rng.choice((3, 2, 0)), rng.choice((1, 2, 3, 3, 3, 3))  # as headers name them
    rate_index, mono = rng.randrange(3), rng.random() < 0.5
    rate = (44100, 48000, 32000)[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    bitrates = _BITRATES[version == 3, layer]
    body = rng.choice((b"\0", rng.randbytes(97).replace(b"\xff", b"\0"))) * 1500

    def frame(index: int, padding: int, content: bytes) -> bytes:
        head = 0xFFE10000 | version << 19 | (4 - layer) << 17 | (index + 1) << 12
        head |= rate_index << 10 | padding << 9 | mono * 0xC0
        slot, slots = (4, 12) if layer == 1 else (1, 72 if layer == 3 and version != 3 else 144)
        size = (slots * bitrates[index] * 1000 // rate + padding) * slot
        return (head.to_bytes(4) + content + body)[:size]

    index, frames = rng.randrange(14), rng.choice((1990, 2000, 2001, 2100, 2600))
    steps = rng.choice((0, 0, 1, 7, 49, 50))  # of the padding
    short, long = frame(index, 0, b""), frame(index, 1, b"")
    parts = [long if n * steps % 50 < steps else short for n in range(frames)]
    if rng.random() < 0.2:  # not of one bit rate at all
        del parts[rng.randrange(frames) :: rng.choice((2, 3, 1000))]
        other, every = frame(rng.randrange(14), 0, b""), rng.choice((2, 3, 900))
        parts[::every] = [other] * len(parts[::every])
    for _ in range(rng.choice((0, 0, 0, 1, 3))):
        parts.insert(rng.randrange(frames), rng.randbytes(rng.choice((1, 104, 417, 3000))))
    if rng.random() < 0.8:
        counts = [len(parts), sum(map(len, parts))]
        if rng.random() < 0.3:
            lie = rng.choice((1.0, 0.5, 1.001, 2.0, 100.0))
            counts = [int(count * rng.choice((lie, lie, 1))) for count in counts]
        told = b"".join(min(count, 2**32 - 1).to_bytes(4) for count in counts)
        side = {(True, True): 17, (True, False): 32, (False, True): 9}.get((version == 3, mono), 17)
        tag = rng.choice((b"Info", b"Info", b"Info", b"Xing")) + (3).to_bytes(4) + told
        parts.insert(0, frame(13, 0, bytes(side) + tag + bytes(100)))
    ends = (b"TAG" + bytes(125), b"APETAGEX" + bytes(24), b"ID3\4\0\0\0\0\0\x10" + bytes(16))
    parts += rng.sample(ends, rng.choice((0, 0, 1, 3)))
    return b"".join(parts) * rng.choice((1, 1, 1, 1, 2))


def decode(rng: random.Random, content: bytes) -> None:
    file_type = rng.choice((Seekable, Seekable, Unseekable))
    dtype: SampleType = rng.choice(get_args(SampleType))
    hint = rng.choice((None, None, "mp3", "flac", "ogg", "wav"))
    try:
        file = file_type(content, step=rng.choice((1 << 30, 4096, 100)))
        with open_decoder(file, hint=hint, dtype=dtype, strict=rng.random() < 0.2) as decoder:
            for _ in range(rng.randrange(1, 6)):
                try:
                    if rng.random() < 0.4:
                        decoder.seek(rng.randrange(decoder.frames or 3000))
                    decoder.read(rng.choice((1, 100, 3000, MOST_FRAMES)))
                except DecodeError:
                    if not decoder.next_span():
                        decoder.seek(decoder.position)
            assert len(decoder.losses) <= 256
            assert dict(decoder.tags) is not None
    except DecodeError:
        pass


class Spans:
    """Damaged files, each a span of one stream."""

    def __init__(self, contents: list[bytes]) -> None:
        self._contents = contents

    def spans(self) -> Iterator[Unseekable]:
        for number, content in enumerate(self._contents):
            span = Unseekable(content)
            span.container, span.timeline = None, 0  # type: ignore[attr-defined]  # what a span has
            span.seconds = Fraction(number, 20)  # type: ignore[attr-defined]  # as above
            yield span

    def close(self) -> None:
        pass


def play(rng: random.Random, contents: list[bytes]) -> None:
    spans = cast("SpanFiles", Spans(contents))
    with AudioStream(spans, strict=rng.random() < 0.2) as stream:
        for _ in range(rng.randrange(1, 4)):
            with suppress(DecodeError):
                if rng.random() < 0.3:
                    stream.seek(rng.random() / 5)
                for _ in islice(stream, rng.choice((1, 100))):
                    pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first run")
    parser.add_argument("--seconds", type=float, default=600.0, help="stop after so long")
    parser.add_argument("--av", action="store_true", help="what PyAV decodes, too")
    parser.add_argument("--steady", action="store_true", help="long MP3 of one bit rate alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kinds = [] if arguments.steady else seeds(Path(folder), av=arguments.av)
    faulthandler.enable()
    began = time.monotonic()
    number = arguments.first
    for number in range(arguments.first, arguments.first + arguments.runs):
        if time.monotonic() - began > arguments.seconds:
            break
        rng = random.Random(number)
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        try:
            if arguments.steady:
                content = steady(rng)
                decode(rng, mutated(rng, [content]) if rng.random() < 0.5 else content)
            elif rng.random() < 0.2:
                kind = rng.choice(kinds)  # of one kind, so that a codec may go on
                play(rng, [mutated(rng, [kind]) for _ in range(rng.randrange(1, 4))])
            else:
                decode(rng, mutated(rng, kinds))
        except BaseException:
            print(f"run {number}", file=sys.stderr)  # noqa: T201 - a command's output
            raise
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        if peak > MOST_MIB:
            raise MemoryError(f"run {number} took {peak} MiB")
        if number % 5000 == 0:
            print(f"run {number}: {peak} MiB at most", flush=True)  # noqa: T201 - as above
    faulthandler.cancel_dump_traceback_later()
    print(f"{number + 1 - arguments.first} runs, no crash, no hang")  # noqa: T201 - as above


if __name__ == "__main__":
    main()
