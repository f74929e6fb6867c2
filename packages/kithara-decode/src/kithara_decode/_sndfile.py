"""WAV, AIFF, CAF, W64, RF64, AU and 8/16/24-bit FLAC through libsndfile."""

from ._backend import Backend
from ._errors import CorruptAudio, UnsupportedFormat
from ._flac import flac_bits
from ._input import Input
from ._native_decoder import NativeDecoder
from ._shim import lib
from ._sound_extent import sound_extent

FLAC_BITS = (8, 16, 24)
CHUNKS_AFTER_DATA = (b"LIST", b"id3 ", b"ID3 ", b"bext", b"fact", b"cue ", b"smpl", b"PEAK")


class SndfileDecoder(NativeDecoder):
    """Holds libsndfile to what the headers promise: alone it ends early without a word."""

    def __init__(self, source: Input, container: str) -> None:
        bits = flac_bits(source.head(42)) if container == "flac" else None
        if bits is not None and bits not in FLAC_BITS:
            raise UnsupportedFormat(
                f"libsndfile does not decode FLAC of {bits} bits", container=container
            )
        if container == "wav":
            _tell_untold_size(source)
        super().__init__(source, lib.kd_open_sndfile, container=container)
        if container != "flac":
            self._frames = _frames_promised(source, self._frames, self._native.frame_bytes)

    def _check_end(self, input_ended: bool) -> None:
        if self._container == "flac" and self._frames is None and not input_ended:
            raise CorruptAudio(
                f"the flac input cannot be decoded at frame {self._position}: sync was lost",
                container=self._container,
                frame=self._position,
            )


def _tell_untold_size(source: Input) -> None:
    """Make a data size of 0, as streaming writers leave it, mean "up to the end" to libsndfile."""
    head = source.head()
    extent = sound_extent(head)
    if extent is None or head[extent.start - 4 : extent.start] != bytes(4):
        return
    if head[extent.start : extent.start + 4] not in (b"", *CHUNKS_AFTER_DATA):
        source.patch(extent.start - 4, b"\xff" * 4)


def _frames_promised(source: Input, frames: int | None, frame_bytes: int) -> int | None:
    """Extend libsndfile's count to what the header promised before the file was cut."""
    extent = sound_extent(source.head())
    if extent is None:
        return frames
    if extent.size is None:
        return frames if source.length is not None else None
    if source.length is None or extent.start + extent.size <= source.length:
        return frames
    if frame_bytes:
        return extent.size // frame_bytes
    there = source.length - extent.start
    return frames * extent.size // there if frames and there > 0 else frames


BACKEND = Backend(
    name="libsndfile",
    containers=frozenset({"wav", "rf64", "aiff", "caf", "w64", "au", "flac"}),
    open=SndfileDecoder,
)
