"""Damages small files at random and decodes them: nothing but our own errors may come out.

    python packages/kithara-decode/tests/fuzz_decode.py --runs 200000

Needs the ffmpeg command line once, for the seeds. With the C side under AddressSanitizer: see
"Fuzzing" in the README. A run that crashes or hangs is repeated by its number: --first N --runs 1.
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
    return [*made, *changing, made[0] + made[-1], made[6] + made[6], made[10] + made[10]]


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
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kinds = seeds(Path(folder), av=arguments.av)
    faulthandler.enable()
    began = time.monotonic()
    number = arguments.first
    for number in range(arguments.first, arguments.first + arguments.runs):
        if time.monotonic() - began > arguments.seconds:
            break
        rng = random.Random(number)
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        try:
            if rng.random() < 0.2:
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
