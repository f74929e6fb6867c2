"""Ogg Vorbis, Opus and FLAC through libvorbisfile, libopusfile and libFLAC: exact seeks."""

from ._backend import Backend
from ._errors import CorruptAudio, UnsupportedFormat
from ._input import Input
from ._native_decoder import NativeDecoder
from ._options import Options
from ._shim import lib

TAIL_BYTES = 65536  # a page is never longer


class OggFlacDecoder(NativeDecoder):
    """Believes the total of the first link only where that is the last one, too."""

    def __init__(self, source: Input, container: str, options: Options) -> None:
        super().__init__(source, lib.kd_open_ogg_flac, container=container, options=options)
        if not _is_one_stream(source):
            self._frames = None


def _is_one_stream(source: Input) -> bool:
    """Whether the last page belongs to the stream of the first one."""
    if source.length is None:
        return False
    start = max(0, source.length - TAIL_BYTES)
    tail = bytearray(source.length - start)
    filled = 0
    with memoryview(tail) as view:
        while filled < len(tail) and (got := source.read_at(start + filled, view[filled:])):
            filled += got
    last = tail.rfind(b"OggS")
    return last >= 0 and tail[last + 14 : last + 18] == source.head(18)[14:18]


def open_ogg(source: Input, container: str, options: Options) -> NativeDecoder:
    """Open an Ogg input by the codec that its first page names."""
    first_page = source.head(256)
    if b"\x01vorbis" in first_page:
        opener = lib.kd_open_vorbis
    elif b"OpusHead" in first_page:
        opener = lib.kd_open_opus
    elif b"\x7fFLAC" in first_page:
        return OggFlacDecoder(source, container, options)
    else:
        raise UnsupportedFormat(
            "the ogg input is neither Vorbis, Opus nor FLAC", container=container
        )
    try:
        return NativeDecoder(source, opener, container=container, options=options)
    except CorruptAudio as exc:
        if not source.seekable:
            raise
        raise UnsupportedFormat(str(exc), container=container) from exc  # PyAV may be laxer


BACKEND = Backend(
    name="libvorbisfile, libopusfile, libFLAC", containers=frozenset({"ogg"}), open=open_ogg
)
