"""Files that PCM is written into: by what the name ends with."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol, TypeAlias, get_args

from ._unfinished import is_special, unfinished
from ._wav import WavWriter, wav_header

if TYPE_CHECKING:
    from kithara import PcmChunk, PcmSpec

Format: TypeAlias = Literal["wav", "raw", "flac", "ogg"]

FORMATS: tuple[str, ...] = get_args(Format)
STDOUT = Path("-")


class Writer(Protocol):
    """Takes chunks."""

    @property
    def frames(self) -> int: ...

    def write(self, chunk: "PcmChunk") -> None: ...


def is_pipe(path: Path) -> bool:
    """Whether this is stdout, or a device or pipe by its name: what cannot go back to a header."""
    return path == STDOUT or is_special(path)


def format_of(path: Path, wanted: str | None) -> Format | None:
    """The format asked for, or else that of the name; None if neither says one."""
    name = wanted or ("wav" if is_pipe(path) else path.suffix[1:].lower())
    match name:
        case "wav" | "raw" | "flac" | "ogg":
            return name
        case _:
            return None


@contextmanager
def open_output(path: Path, spec: "PcmSpec", kind: Format) -> Iterator[Writer]:
    """Open a file, or stdout, for PCM of one spec; a file is there when the block ends well.

    Raises OSError, or `NoEncoder` where FLAC or Ogg is asked for without the extra for it.
    """
    if path == STDOUT:
        yield StreamWriter(sys.stdout.buffer, spec, kind)
        return
    with unfinished(path) as part:
        if kind == "raw" or is_pipe(part):
            with part.open("wb") as file:
                yield StreamWriter(file, spec, kind)
        elif kind == "wav":
            with WavWriter(part, spec) as wav:
                yield wav
        else:
            from ._encoded import EncodedWriter

            with EncodedWriter(part, spec, kind) as encoded:
                yield encoded


class StreamWriter:
    """Writes floats as sound comes: raw, or behind the head of a WAV that says "until the end"."""

    def __init__(self, file: BinaryIO, spec: "PcmSpec", kind: Format) -> None:
        self.frames = 0
        self._file = file
        if kind == "wav":
            self._file.write(wav_header(spec, frames=None))

    def write(self, chunk: "PcmChunk") -> None:
        """Write one chunk and hand it on at once; raises BrokenPipeError."""
        self._file.write(chunk.data.astype("<f4", copy=False).data)
        self._file.flush()
        self.frames += len(chunk.data)
