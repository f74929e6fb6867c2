"""Ogg Vorbis, Opus and FLAC through libvorbisfile, libopusfile and libFLAC: exact seeks."""

from ._backend import Backend
from ._errors import CorruptAudio, UnsupportedFormat
from ._input import Input
from ._native_decoder import NativeDecoder
from ._options import Options
from ._shim import lib


def open_ogg(source: Input, container: str, options: Options) -> NativeDecoder:
    """Open an Ogg input by the codec that its first page names."""
    first_page = source.head(256)
    if b"\x01vorbis" in first_page:
        opener = lib.kd_open_vorbis
    elif b"OpusHead" in first_page:
        opener = lib.kd_open_opus
    elif b"\x7fFLAC" in first_page:
        opener = lib.kd_open_ogg_flac
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
