"""Files that PCM is written into: by what the name ends with."""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Protocol, Self, TypeAlias, get_args

from kithara_decode import PcmChunk, PcmSpec

from ._encoded import EncodedWriter
from ._wav import WavWriter, wav_header

Format: TypeAlias = Literal["wav", "raw", "flac", "ogg"]

FORMATS: tuple[str, ...] = get_args(Format)
STDOUT = Path("-")


class Writer(Protocol):
    """Takes chunks; the file is there under its name when the `with` block ends well."""

    frames: int

    def write(self, chunk: PcmChunk) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def format_of(path: Path, wanted: str | None) -> Format | None:
    """The format asked for, or else that of the name; None if neither says one."""
    name = wanted or ("wav" if path == STDOUT else path.suffix[1:].lower())
    match name:
        case "wav" | "raw" | "flac" | "ogg":
            return name
        case _:
            return None


def open_output(path: Path, spec: PcmSpec, kind: Format) -> Writer:
    """Open a file, or stdout, for PCM of one spec.

    Raises OSError, or `NoEncoder` where FLAC or Ogg is asked for without the extra for it.
    """
    if path == STDOUT:
        return StdoutWriter(spec, kind)
    match kind:
        case "wav":
            return WavWriter(path, spec)
        case "raw":
            return RawWriter(path)
        case _:
            return EncodedWriter(path, spec, kind)


class RawWriter:
    """Writes 32-bit little-endian floats, interleaved, and nothing else."""

    def __init__(self, path: Path) -> None:
        self.frames = 0
        self._path = path
        self._unfinished = path.with_name(path.name + ".part")
        self._file: BinaryIO = self._unfinished.open("wb")

    def write(self, chunk: PcmChunk) -> None:
        """Append one chunk."""
        self.frames += write_floats(self._file, chunk)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if error is None:
            os.replace(self._unfinished, self._path)
        else:
            self._unfinished.unlink(missing_ok=True)


class StdoutWriter:
    """Writes to stdout as sound comes: raw floats, or a WAV whose sizes say "until the end"."""

    def __init__(self, spec: PcmSpec, kind: Format) -> None:
        self.frames = 0
        self._file = sys.stdout.buffer
        if kind == "wav":
            self._file.write(wav_header(spec, frames=None))

    def write(self, chunk: PcmChunk) -> None:
        """Write one chunk and hand it on at once; raises BrokenPipeError."""
        self.frames += write_floats(self._file, chunk)
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The stream is not ours to close."""


def write_floats(file: BinaryIO, chunk: PcmChunk) -> int:
    """Write the samples of a chunk; answer its frames."""
    file.write(chunk.data.astype("<f4", copy=False).data)
    return len(chunk.data)
