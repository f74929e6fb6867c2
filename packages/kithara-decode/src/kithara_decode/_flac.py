"""FLAC of any depth through libFLAC: exact seeks, holes told by the numbers of the blocks."""

from ._backend import Backend
from ._input import Input
from ._native_decoder import NativeDecoder
from ._options import Options
from ._shim import lib


def open_flac(source: Input, container: str, options: Options) -> NativeDecoder:
    """Open native FLAC; in Ogg it is another backend's."""
    return NativeDecoder(source, lib.kd_open_flac, container=container, options=options)


BACKEND = Backend(name="libFLAC", containers=frozenset({"flac"}), open=open_flac)
