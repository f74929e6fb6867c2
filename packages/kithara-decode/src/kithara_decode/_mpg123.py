"""MP1, MP2 and MP3 through libmpg123: gapless where a LAME header or iTunes tells, exact seeks."""

from ._backend import Backend
from ._input import Input
from ._itunes import itunes_sound
from ._native_decoder import NativeDecoder
from ._options import Options
from ._packed_audio import without_marks
from ._pcm import AnySamples
from ._shim import lib

DECODER_DELAY = 529  # frames by which a decoder of layer III lags, which no tag counts
DROPPED_AT_ONCE = 4096


class Mpg123Decoder(NativeDecoder):
    """Takes the promise of an MP3 header seriously only where the file is too short for it."""

    def __init__(self, source: Input, container: str, options: Options) -> None:
        source = without_marks(source)
        tag = _XingTag(source.head(4096))
        super().__init__(source, lib.kd_open_mpg123, container=container, options=options)
        too_short = source.length is not None and tag.bytes > source.length
        self._slack = 0 if too_short else None
        told = itunes_sound(dict(source.raw_tags).get("COMM:iTunSMPB", ""))
        self._trims = told is not None and not tag.is_lame
        if told is not None and self._trims:
            self._lead_in = told.start + DECODER_DELAY
            self._next = -self._lead_in
            there = told.frames if self._frames is None else self._frames - self._lead_in
            self._frames = self._promised = max(0, min(told.frames, there))

    def _fill(self, out: AnySamples) -> int:
        if not self._trims:
            return super()._fill(out)
        while self._next < 0:
            waste = self._options.empty(min(-self._next, DROPPED_AT_ONCE), out.shape[1])
            if super()._fill(waste) == 0:
                return 0
        left = len(out) if self._frames is None else self._frames - self._next
        return super()._fill(out[:left]) if left > 0 else 0


class _XingTag:
    """What a Xing or Info header, maybe that of LAME, says: how many bytes the file has, 0 if not.

    `is_lame` is whether it tells the encoder's delay, too.
    """

    def __init__(self, head: bytes) -> None:
        self.bytes, self.is_lame = 0, False
        at = max(head.find(b"Xing"), head.find(b"Info"))
        if at < 0 or len(head) < at + 16:
            return
        flags = int.from_bytes(head[at + 4 : at + 8])
        at += 12 if flags & 1 else 8
        if flags & 2:
            self.bytes = int.from_bytes(head[at : at + 4])
        at += (flags >> 1 & 1) * 4 + (flags >> 2 & 1) * 100 + (flags >> 3 & 1) * 4
        self.is_lame = head[at : at + 1] not in (b"", b"\0")


BACKEND = Backend(name="libmpg123", containers=frozenset({"mp3"}), open=Mpg123Decoder)
