"""PCM into FLAC and Ogg Vorbis, through the extra `kithara[encode]`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from kithara import KitharaError, PcmChunk, PcmSpec

_SUBTYPES = {"ogg": "VORBIS"}


class NoEncoder(KitharaError):
    """Raised when a format cannot be written; the message says what is missing."""


class NotWritten(KitharaError):
    """Raised when the encoder could not write; libsndfile does not tell why."""


class EncodedWriter:
    """Writes FLAC or Ogg Vorbis. A context manager.

    FLAC has the bits of a lossless source up to 24, and 24 for all others.
    """

    def __init__(self, path: Path, spec: PcmSpec, kind: Literal["flac", "ogg"]) -> None:
        try:
            import soundfile
        except ImportError as error:
            raise NoEncoder(
                f"writing {kind} needs the extra kithara[encode]: pip install 'kithara[encode]'; "
                "WAV needs none"
            ) from error
        except OSError as error:
            raise NoEncoder("libsndfile is not installed: apt install libsndfile1") from error
        self.frames = 0
        self._refused: type[Exception] = soundfile.SoundFileError
        self._path = path
        flac = "PCM_16" if spec.bits is not None and spec.bits <= 16 else "PCM_24"
        try:
            self._file = soundfile.SoundFile(
                path,
                "w",
                samplerate=spec.sample_rate,
                channels=spec.channels,
                format=kind.upper(),
                subtype=_SUBTYPES.get(kind, flac),
            )
        except soundfile.SoundFileError as error:
            raise NoEncoder(
                f"{kind} cannot hold {spec.sample_rate} Hz and {spec.channels} channels, or "
                f"{str(path)!r} cannot be written"
            ) from error

    def write(self, chunk: PcmChunk) -> None:
        """Append one chunk, of the spec that the file was begun with."""
        with self._told():
            self._file.write(chunk.data)
        self.frames += len(chunk.data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._told():
            self._file.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._refused as error:
            raise NotWritten(
                f"{str(self._path)!r} cannot be written ({str(error).rstrip('.')}); "
                "is there room on the disk?"
            ) from error
