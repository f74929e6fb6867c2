"""Bytes to PCM: exact frames from bytes that are still arriving."""

from ._errors import (
    CorruptAudio,
    DecodeError,
    DecoderClosed,
    DecoderPoisoned,
    EncodedLengthMismatch,
    FormatChanged,
    SeekRefused,
    UnsupportedFormat,
)
from ._losses import Loss
from ._open import open_decoder
from ._pcm import PcmChunk, PcmSpec
from ._protocols import BinaryFile, Decoder, SpanFile, SpanFiles
from ._stats import StreamStats
from ._stream import AudioStream

__all__ = (
    # decoding
    "open_decoder",
    "AudioStream",
    # facts
    "PcmSpec",
    "PcmChunk",
    "Loss",
    "StreamStats",
    # what is accepted and returned
    "BinaryFile",
    "SpanFile",
    "SpanFiles",
    "Decoder",
    # errors
    "DecodeError",
    "UnsupportedFormat",
    "FormatChanged",
    "CorruptAudio",
    "EncodedLengthMismatch",
    "DecoderPoisoned",
    "SeekRefused",
    "DecoderClosed",
)
