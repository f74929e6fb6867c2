"""Hundreds of decoders and streams leave memory, threads and files as they were."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from decode_files import Media, Seekable

from kithara_decode import AudioStream, open_decoder

STATUS = Path("/proc/self/status")


def resident_kilobytes() -> int:
    for line in STATUS.read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError(STATUS)


def grown(work: Callable[[], None], times: int) -> int:
    """Kilobytes of growth, after a first round that fills caches."""
    for _ in range(times // 2):
        work()
    gc.collect()
    before = resident_kilobytes()
    for _ in range(times):
        work()
    gc.collect()
    return resident_kilobytes() - before


@pytest.mark.skipif(not STATUS.exists(), reason="needs /proc to measure memory")
@pytest.mark.parametrize("name", ["leak.mp3", "leak.flac", "leak.ogg", "leak.m4a", "leak.opus"])
def test_decoders(media: Media, name: str) -> None:
    if name.endswith(("mp3", "m4a", "opus")):
        path = media.coded(
            name, *(("-ar", "48000") if name.endswith("opus") else ()), frames=50_000
        )
    else:
        subtype = "VORBIS" if name.endswith("ogg") else "PCM_16"
        path = media.pcm(name, subtype=subtype, frames=50_000)

    def work() -> None:
        with path.open("rb") as file, open_decoder(file) as decoder:
            decoder.read(1000)
            decoder.seek(30_000)
            decoder.read(1000)

    # A decoder that stayed would keep 64 KiB at the least: 6 MB in all.
    assert grown(work, 100) < 2500


@pytest.mark.parametrize(
    "name", ["leak.mp3", "leak.flac", "leak.ogg", "leak.m4a", "leak.aac", "leak.opus", "leak.wav"]
)
def test_nothing_waits_for_the_collector(media: Media, name: str) -> None:
    """A closed decoder, its file with it, goes with the last name for it, wherever it stood."""
    options = ("-c:a", "libvorbis") if name.endswith("ogg") else ()
    content = media.coded(name, *options, frames=50_000).read_bytes()
    gc.collect()
    gc.disable()
    try:
        for target in (0, 1000, 30_000, None):
            file = Seekable(content)
            with open_decoder(file) as decoder:
                if target is None:
                    for _ in decoder.blocks(8192):
                        pass
                    target = 0
                decoder.seek(target)
                decoder.read(1000)
            left = weakref.ref(file)
            del file, decoder
            assert left() is None
    finally:
        gc.enable()


@pytest.mark.skipif(not STATUS.exists(), reason="needs /proc to measure memory")
def test_streams(media: Media) -> None:
    path = media.coded("leak.mp3", frames=50_000)
    threads = threading.active_count()

    def work() -> None:
        with AudioStream(path.open("rb")) as stream:
            next(stream)

    assert grown(work, 100) < 2500
    assert threading.active_count() == threads
