"""Inputs whose format changes in the middle: each part is a span."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from decode_files import Media, Seekable, Unseekable

from kithara_decode import AudioStream, FormatChanged, PcmChunk, PcmSpec, open_decoder
from kithara_decode._pcm import AnySamples

Parts = Callable[[Media], list[bytes]]
BARE = ("-q:a", "4", "-write_xing", "0")
CD = PcmSpec(sample_rate=44100, channels=2)


def made(name: str, *ways: tuple[tuple[str, ...], int]) -> Parts:
    def make(media: Media) -> list[bytes]:
        return [
            media.coded(f"{n}-{name}", *options, frames=60_000, channels=channels).read_bytes()
            for n, (options, channels) in enumerate(ways)
        ]

    return make


KINDS: dict[str, Parts] = {
    "mp3": made("change.mp3", (BARE, 2), ((*BARE, "-ar", "48000"), 1), (BARE, 2)),
    "vorbis": made("change.ogg", ((), 2), (("-ar", "32000"), 1), ((), 2)),
    "opus": made("change.opus", (("-c:a", "libopus"), 2), (("-c:a", "libopus"), 1),
                 (("-c:a", "libopus"), 2)),
    "flac": made("change.oga", (("-c:a", "flac"), 2), (("-c:a", "flac", "-ar", "48000"), 1),
                 (("-c:a", "flac"), 2)),
    "adts": made("change.aac", (("-c:a", "aac"), 2), (("-c:a", "aac", "-ar", "48000"), 1),
                 (("-c:a", "aac"), 2)),
}  # fmt: skip


def spans(content: bytes, file: type[Seekable]) -> list[tuple[PcmSpec, AnySamples]]:
    """Decode to the end, span by span."""
    found: list[tuple[PcmSpec, AnySamples]] = []
    blocks: list[AnySamples] = []
    with open_decoder(file(content)) as decoder:
        while True:
            try:
                blocks.extend(decoder.blocks(1000))
                assert not decoder.next_span()
                return [*found, (decoder.spec, np.concatenate(blocks))]
            except FormatChanged as change:
                assert change.frame == decoder.position  # noqa: PT017 - it may come or not
                with pytest.raises(FormatChanged) as again:
                    decoder.read(1)
                assert again.value is change  # noqa: PT017 - as above
                found.append((decoder.spec, np.concatenate(blocks)))
                blocks.clear()
                assert decoder.next_span()
                told = PcmSpec(sample_rate=change.sample_rate, channels=change.channels)
                assert decoder.spec == told


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", [Seekable, Unseekable])
def test_each_part_is_what_it_is_alone(media: Media, kind: str, file: type[Seekable]) -> None:
    parts = KINDS[kind](media)
    found = spans(b"".join(parts), file)
    assert len(found) == 3
    for part, (spec, pcm) in zip(parts, found, strict=True):
        with open_decoder(io.BytesIO(part)) as decoder:
            assert decoder.spec == spec
            alone = np.concatenate(list(decoder.blocks(1000)))
        assert len(alone) == len(pcm)
        # A codec may carry its overlap from part to part, and draws its noise on and on.
        assert np.abs(pcm[4000:] - alone[4000:]).max() < (0.3 if kind == "adts" else 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_seeks_into_each_part(media: Media, kind: str) -> None:
    content = b"".join(KINDS[kind](media))
    parts = spans(content, Seekable)
    starts = [0, len(parts[0][1]), len(parts[0][1]) + len(parts[1][1])]
    with open_decoder(Seekable(content)) as decoder:
        for which in (2, 0, 1, 1, 2, 0):
            spec, pcm = parts[which]
            decoder.seek(starts[which] + 30_000)
            if decoder.spec != spec:
                with pytest.raises(FormatChanged):
                    decoder.read(1)
                assert decoder.next_span()
            assert decoder.spec == spec
            assert decoder.position == starts[which] + 30_000
            noise = decoder.read(1000) - pcm[30_000:31_000]
            assert np.abs(noise).max() < (0.3 if kind == "adts" else 1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_goes_on_in_its_own_format_and_says_what_changed(media: Media, kind: str) -> None:
    content = b"".join(KINDS[kind](media))
    parts = spans(content, Seekable)
    with AudioStream(io.BytesIO(content), output=CD) as stream:
        chunks = list(stream)
        sources = [chunk.source for chunk in chunks]
        changes = [now for before, now in pairwise(sources) if before != now]
        assert [sources[0], *changes] == [spec for spec, _ in parts]
        assert {chunk.spec for chunk in chunks} == {CD}
        seconds = sum(len(pcm) / spec.sample_rate for spec, pcm in parts)
        total = sum(len(chunk.data) for chunk in chunks)
        assert abs(total - seconds * CD.sample_rate) <= 3
        stream.seek(0.5)
        data = next(stream).data
        assert np.abs(data - at(chunks, 22_050, len(data))).max() < 0.3


def at(chunks: list[PcmChunk], start: int, frames: int) -> AnySamples:
    return np.concatenate([chunk.data for chunk in chunks])[start : start + frames]


def test_a_seek_in_a_file_of_two_layouts_is_exact(media: Media) -> None:
    """As many frames in each second: the axis of the file is that of the stream."""
    content = b"".join(made("two.oga", (("-c:a", "flac"), 2), (("-c:a", "flac"), 1))(media))
    with AudioStream(io.BytesIO(content)) as stream:
        whole = np.concatenate([chunk.data for chunk in stream])
        for frame in (100_000, 20_000, 59_000, 60_001, 119_000):
            stream.seek(frame / 44100)
            chunk = next(stream)
            assert chunk.start == frame
            assert np.array_equal(chunk.data, whole[frame : frame + len(chunk.data)])
