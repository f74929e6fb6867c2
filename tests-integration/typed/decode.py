"""What a type checker makes of a program that uses kithara-decode."""

import io
from collections.abc import Iterator, Mapping
from typing import assert_type

import numpy as np
import numpy.typing as npt

from kithara_decode import (
    AudioStream,
    DecodeError,
    Decoder,
    Loss,
    PcmChunk,
    PcmSpec,
    StreamStats,
    open_decoder,
)


def use(file: io.BytesIO) -> None:
    with open_decoder(file, dtype="int16") as decoder:
        assert_type(decoder, Decoder[np.int16])
        assert_type(decoder.spec, PcmSpec)
        assert_type(decoder.frames, int | None)
        assert_type(decoder.tags, Mapping[str, str])
        decoder.seek(3)
    try:
        with AudioStream(file, output=PcmSpec(sample_rate=48_000, channels=2)) as stream:
            for chunk in stream:
                assert_type(chunk, PcmChunk)
                assert_type(chunk.data, npt.NDArray[np.float32])
            assert_type(stream.stats, StreamStats)
            assert_type(stream.losses, tuple[Loss, ...])
    except DecodeError as error:
        assert_type(error.recoverable, bool)


def blocks(decoder: Decoder[np.float32]) -> Iterator[npt.NDArray[np.float32]]:
    return decoder.blocks(960)
