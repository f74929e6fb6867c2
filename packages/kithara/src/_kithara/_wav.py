"""PCM into a WAV file of 32-bit floats."""

import struct
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

if TYPE_CHECKING:
    from kithara import PcmChunk, PcmSpec

_BYTES_PER_SAMPLE = 4
_FLOAT = 3
_EXTENSIBLE = 0xFFFE
_FLOAT_GUID = bytes.fromhex("0300000000001000800000aa00389b71")  # KSDATAFORMAT_SUBTYPE_IEEE_FLOAT
_DS64_SIZE = 28
_LARGEST_RIFF = 0xFFFF_FFFF


class WavWriter:
    """Writes chunks as 32-bit float WAV; as RF64 (EBU Tech 3306) when larger than 4 GiB.

    A context manager: the sizes are written when the block ends well.
    """

    def __init__(self, path: Path, spec: "PcmSpec") -> None:
        self.frames = 0
        self._spec = spec
        self._file: BinaryIO = path.open("wb")
        self._file.write(wav_header(self._spec, self.frames))

    def write(self, chunk: "PcmChunk") -> None:
        """Append one chunk, of the spec that the file was begun with."""
        self._file.write(chunk.data.astype("<f4", copy=False).data)
        self.frames += len(chunk.data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            if error is None:
                self._file.seek(0)
                self._file.write(wav_header(self._spec, self.frames))


def wav_header(spec: "PcmSpec", frames: int | None) -> bytes:
    """What stands before the samples; None where their number is not known, as in a pipe."""
    channels, rate = spec.channels, spec.sample_rate
    block = channels * _BYTES_PER_SAMPLE
    tag = _FLOAT if channels <= 2 else _EXTENSIBLE
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, 32)
    # An extensible header without a channel mask: the layout is not claimed.
    fmt += struct.pack("<HHI", 22, 32, 0) + _FLOAT_GUID if tag == _EXTENSIBLE else b"\0\0"
    data_size = _LARGEST_RIFF if frames is None else frames * block
    after_riff = 4 + 8 + _DS64_SIZE + 8 + len(fmt) + 12 + 8 + data_size
    large = frames is not None and after_riff > _LARGEST_RIFF
    ds64 = struct.pack("<QQQI", after_riff, data_size, frames, 0) if large else bytes(28)
    return b"".join(
        (
            b"RF64" if large else b"RIFF",
            struct.pack("<I", min(after_riff, _LARGEST_RIFF)),
            b"WAVE",
            # Reserved as JUNK, so that a file that grows too large can become RF64 in place.
            struct.pack("<4sI", b"ds64" if large else b"JUNK", _DS64_SIZE),
            ds64,
            struct.pack("<4sI", b"fmt ", len(fmt)),
            fmt,
            struct.pack("<4sII", b"fact", 4, min(data_size // block, _LARGEST_RIFF)),
            struct.pack("<4sI", b"data", min(data_size, _LARGEST_RIFF)),
        )
    )
