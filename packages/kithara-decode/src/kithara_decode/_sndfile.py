"""WAV, AIFF, CAF, W64, RF64 and AU through libsndfile."""

from ._backend import Backend
from ._errors import CorruptAudio, UnsupportedFormat
from ._input import HEAD_BYTES, Input
from ._native_decoder import HEADER_BYTES, NativeDecoder
from ._options import Options
from ._shim import lib
from ._sound_extent import SoundExtent, sound_extent

FIRST_LOOK = 4096  # more is asked for only when the samples begin later
FIRST_BLOCK = 65536  # more than any codec reads of its samples to be opened
MAGICS = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"caff", b"riff", b".snd", b"dns.")
CHUNKS_AFTER_DATA = (b"LIST", b"id3 ", b"ID3 ", b"bext", b"fact", b"cue ", b"smpl", b"PEAK")


class SndfileDecoder(NativeDecoder):
    """Holds libsndfile to what the headers promise: alone it ends early without a word."""

    _layouts = {1: "mono", 2: "stereo"}  # noqa: RUF012 - a constant; more channels may be anything

    def __init__(self, source: Input, container: str, options: Options) -> None:
        extent = _find_sound(source, container)
        header_bytes = HEADER_BYTES if extent is None else extent.start + FIRST_BLOCK
        super().__init__(
            source,
            lib.kd_open_sndfile,
            container=container,
            options=options,
            header_bytes=header_bytes,
        )
        if extent is not None:
            self._frames = self._promised = self._frames_promised(source, extent)

    def _frames_promised(self, source: Input, extent: SoundExtent) -> int | None:
        """Extend libsndfile's count to what the header promised before the file was cut."""
        if extent.size is None:
            return self._frames if source.length is not None else None
        if source.length is None or extent.start + extent.size <= source.length:
            return self._frames
        if self._native.frame_bytes:
            return extent.size // self._native.frame_bytes
        there = source.length - extent.start
        return self._frames * extent.size // there if self._frames and there > 0 else self._frames


def _find_sound(source: Input, container: str) -> SoundExtent | None:
    """Find the samples in the head; make an untold data size of WAV mean "up to the end"."""
    head = source.head(FIRST_LOOK)
    if not head.startswith(MAGICS):  # libsndfile would try all it knows, and its MP3 is not exact
        raise UnsupportedFormat(f"the input is no {container} file", container=None)
    extent = sound_extent(head)
    if extent is None:
        head = source.head()
        extent = sound_extent(head)
    if extent is None:
        if len(head) < HEAD_BYTES and container != "aiff":  # AIFF of no frames needs no samples
            raise CorruptAudio(
                f"the {container} input ends before its samples", container=container
            )
        return None
    following = head[extent.start : extent.start + 4]
    size_is_zero = head[extent.start - 4 : extent.start] == bytes(4)
    if container == "wav" and size_is_zero and following not in (b"", *CHUNKS_AFTER_DATA):
        source.patch(extent.start - 4, b"\xff" * 4)  # as streaming writers leave it
    return extent


BACKEND = Backend(
    name="libsndfile",
    containers=frozenset({"wav", "rf64", "aiff", "caf", "w64", "au"}),
    open=SndfileDecoder,
)
