from __future__ import annotations

import io

import numpy as np
import pytest
from decode_files import Media
from timed_files import Segmented, TimedFiles

from kithara_decode import AudioStream, CorruptAudio, PcmChunk

EMPTY = 2  # the number of the segment that has no packet, only what announces some


def emptied(segmented: Segmented) -> Segmented:
    packets = segmented.segments[EMPTY]
    size = 0 if segmented.init else 3 * 188  # the tables of a transport stream
    segmented.segments[EMPTY] = packets[:size]
    return segmented


def samples(chunks: list[PcmChunk]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.concatenate([chunk.data for chunk in chunks])


@pytest.mark.parametrize("codec", ["aac", "aac-edit", "flac", "ts"])
def test_between_others_it_is_silence(media: Media, codec: str) -> None:
    with AudioStream(TimedFiles(Segmented(media, codec), step=1)) as stream:
        whole = samples(list(stream))
    source = TimedFiles(emptied(Segmented(media, codec)), step=1)
    with AudioStream(source) as stream:
        found = samples(list(stream))
        (loss,) = stream.losses
        assert loss.frames is not None
        assert len(found) == len(whole)
        begin, end = loss.frame, loss.frame + loss.frames
        assert np.array_equal(found[:begin], whole[:begin])
        assert not found[begin:end].any()
        assert np.abs(found[end + 8192 :] - whole[end + 8192 :]).max() < 1e-3

        rate = stream.spec.sample_rate
        assert begin < 1.2 * rate < end
        stream.seek(1.2)
        sought = list(stream)
        assert sought[0].start == round(1.2 * rate)
        heard = samples(sought)
        assert not heard[: end - sought[0].start].any()
        assert np.abs(heard[-50_000:] - found[-50_000:]).max() < 1e-3


@pytest.mark.parametrize("codec", ["aac", "ts"])
def test_alone_it_is_an_error(media: Media, codec: str) -> None:
    segmented = emptied(Segmented(media, codec))
    content = segmented.init + segmented.segments[EMPTY]
    with AudioStream(io.BytesIO(content)) as stream, pytest.raises(CorruptAudio, match="no audio"):
        next(stream)
    segmented.segments[:] = [segmented.segments[EMPTY]] * 2
    with (
        AudioStream(TimedFiles(segmented, step=1)) as stream,
        pytest.raises(CorruptAudio, match="no audio"),
    ):
        next(stream)


def test_one_whose_packets_are_all_refused_takes_nothing_from_the_codec(media: Media) -> None:
    segmented = Segmented(media, "opus-voice", frames=60_000)
    last = segmented.segments.pop()
    with AudioStream(TimedFiles(segmented, step=1)) as stream:
        before = samples(list(stream))
    packets = last.index(b"mdat") + 4
    segmented.segments.append(last[:packets] + b"\xff" * (len(last) - packets))
    with AudioStream(TimedFiles(segmented, step=1)) as stream:
        assert np.array_equal(samples(list(stream)), before)
