"""MP1, MP2 and MP3 through libmpg123: gapless where a LAME header tells, exact seeks."""

from ._backend import Backend
from ._input import Input
from ._native_decoder import NativeDecoder
from ._options import Options
from ._shim import lib


class Mpg123Decoder(NativeDecoder):
    """Takes the promise of an MP3 header seriously only where the file is too short for it."""

    def __init__(self, source: Input, container: str, options: Options) -> None:
        super().__init__(source, lib.kd_open_mpg123, container=container, options=options)
        self._slack = 0 if _is_cut_off(source) else None


def _is_cut_off(source: Input) -> bool:
    """Whether the file is shorter than its own Xing or Info header says, in bytes."""
    head = source.head(4096)
    at = max(head.find(b"Xing"), head.find(b"Info"))
    if source.length is None or at < 0 or len(head) < at + 16:
        return False
    flags = int.from_bytes(head[at + 4 : at + 8])
    has_frames, has_bytes = flags & 1, flags & 2
    size_at = at + 12 if has_frames else at + 8
    return bool(has_bytes) and int.from_bytes(head[size_at : size_at + 4]) > source.length


BACKEND = Backend(name="libmpg123", containers=frozenset({"mp3"}), open=Mpg123Decoder)
