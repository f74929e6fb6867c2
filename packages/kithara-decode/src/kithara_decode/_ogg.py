"""Ogg Vorbis, Opus and FLAC through libvorbisfile, libopusfile and libFLAC: exact seeks."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ._backend import Backend
from ._errors import CorruptAudio, UnsupportedFormat
from ._input import Input
from ._native_decoder import NativeDecoder
from ._ogg_pages import count_links
from ._options import Options
from ._shim import lib

if TYPE_CHECKING:
    from ._native import CData


class OggDecoder(NativeDecoder):
    """Tells no length of a chain that its library cannot search in."""

    def __init__(
        self,
        source: Input,
        opener: "Callable[[CData], CData]",
        *,
        container: str,
        options: Options,
        linkwise: bool,
    ) -> None:
        self._linkwise = linkwise
        super().__init__(source, opener, container=container, options=options)
        if linkwise:
            self._frames = None

    def _open(self) -> "CData":
        if self._linkwise:
            lib.kd_input_go_linkwise(self._input)
        return super()._open()

    def _enter_link(self) -> None:
        super()._enter_link()
        if self._native.frames < 0:  # a link was met that the length did not count
            self._frames = None


def open_ogg(source: Input, container: str, options: Options) -> OggDecoder:
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
    links = count_links(source) if source.seekable else None
    linkwise = links is None or (links > 1 and opener == lib.kd_open_ogg_flac)
    try:
        return OggDecoder(source, opener, container=container, options=options, linkwise=linkwise)
    except CorruptAudio as exc:
        if not source.seekable:
            raise
        raise UnsupportedFormat(str(exc), container=container) from exc  # PyAV may be laxer


BACKEND = Backend(
    name="libvorbisfile, libopusfile, libFLAC", containers=frozenset({"ogg"}), open=open_ogg
)
