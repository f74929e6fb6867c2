"""What time a segment's own bytes say it begins at: MPEG-TS, fragmented MP4, packed audio."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

__all__ = ("MPEG_CLOCK", "STAMP_SIZE", "Stamp", "first_stamp")

MPEG_CLOCK: Final = 90_000
_MPEG_WRAP: Final = 1 << 33
STAMP_SIZE: Final = 64 * 1024  # a segment that tells its time later than this tells none
_PACKET: Final = 188
_PRIV_OWNER: Final = b"com.apple.streaming.transportStreamTimestamp\0"  # RFC 8216, 3.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """The time of the first access unit: ``ticks`` of ``rate`` Hz, modulo ``wrap`` if not None."""

    ticks: int
    rate: int
    wrap: int | None

    def near(self, expected: Fraction) -> Fraction:
        """Answer the time in seconds; of those that wrap to the same ticks, the nearest one."""
        if self.wrap is None:
            return Fraction(self.ticks, self.rate)
        turns = round((expected * self.rate - self.ticks) / self.wrap)
        return Fraction(self.ticks + turns * self.wrap, self.rate)


def first_stamp(head: bytes, init: bytes = b"") -> Stamp | None:
    """Read the time of the first audio access unit from the (clear) head of a segment.

    ``init`` is its init section. None where the head does not tell it; more of it may.
    """
    if head[:3] == b"ID3":
        return _private_stamp(head)
    if head[:1] == b"\x47":
        return _transport_stamp(head)
    return _fragment_stamp(head, init)


def _mpeg(ticks: int) -> Stamp:
    return Stamp(ticks=ticks % _MPEG_WRAP, rate=MPEG_CLOCK, wrap=_MPEG_WRAP)


# -- packed audio: an ID3 PRIV frame (RFC 8216, 3.4) -------------------------------------------


def _private_stamp(head: bytes) -> Stamp | None:
    at = head.find(_PRIV_OWNER)
    ticks = head[at + len(_PRIV_OWNER) : at + len(_PRIV_OWNER) + 8]
    return _mpeg(int.from_bytes(ticks, "big")) if at >= 0 and len(ticks) == 8 else None


# -- MPEG-TS: the PTS of the first audio PES packet (ISO 13818-1, 2.4.3) -------------------------


def _transport_stamp(head: bytes) -> Stamp | None:
    for at in range(0, len(head) - _PACKET + 1, _PACKET):
        packet = head[at : at + _PACKET]
        if packet[0] != 0x47:
            return None
        if not packet[1] & 0x40 or not packet[3] & 0x10:  # begins no PES packet, or has no payload
            continue
        begin = 5 + packet[4] if packet[3] & 0x20 else 4
        pes = packet[begin:]
        if len(pes) < 14 or pes[:3] != b"\0\0\1" or not _is_audio(pes) or not pes[7] & 0x80:
            continue
        high = pes[9] >> 1 & 7
        middle, low = (int.from_bytes(pair, "big") >> 1 for pair in (pes[10:12], pes[12:14]))
        return _mpeg(high << 30 | middle << 15 | low)
    return None


def _is_audio(pes: bytes) -> bool:
    stream_id, payload = pes[3], pes[9 + pes[8] :]
    if stream_id == 0xBD:  # private: AC-3, or tags that are shown at their time
        return not payload.startswith(b"ID3")
    return 0xC0 <= stream_id <= 0xDF


# -- fragmented MP4: the tfdt of the audio track (ISO 14496-12, 8.8.12) --------------------------


def _boxes(content: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, first byte and end of the content of each box that is there as a whole."""
    while start + 8 <= stop:
        size, name, begin = (
            int.from_bytes(content[start : start + 4], "big"),
            content[start + 4 : start + 8],
            8,
        )
        if size == 1:
            size, begin = int.from_bytes(content[start + 8 : start + 16], "big"), 16
        elif size == 0:
            size = stop - start
        if size < begin or start + size > stop:
            return
        yield name, start + begin, start + size
        start += size


def _audio_track(init: bytes) -> tuple[int, int] | None:
    """Answer number and timescale of the first sound track, else of the first track."""
    found: list[tuple[bool, int, int]] = []
    for name, start, stop in _boxes(init, 0, len(init)):
        if name != b"moov":
            continue
        for trak, inner, end in _boxes(init, start, stop):
            if trak == b"trak":
                found.append(_track(init, inner, end))
    sound = [track for track in found if track[0]] or found
    return (sound[0][1], sound[0][2]) if sound and sound[0][2] else None


def _track(init: bytes, start: int, stop: int) -> tuple[bool, int, int]:
    sound, number, scale = False, 0, 0
    for name, at, end in _boxes(init, start, stop):
        wide = 8 if init[at : at + 1] == b"\1" else 0  # version 1 has times of 64 bits
        if name == b"tkhd":
            number = int.from_bytes(init[at + 12 + wide : at + 16 + wide], "big")
        elif name == b"mdia":
            inner_sound, _, scale = _track(init, at, end)
            sound = sound or inner_sound
        elif name == b"mdhd":
            scale = int.from_bytes(init[at + 12 + wide : at + 16 + wide], "big")
        elif name == b"hdlr":
            sound = init[at + 8 : at + 12] == b"soun"
    return sound, number, scale


def _fragment_stamp(head: bytes, init: bytes) -> Stamp | None:
    track = _audio_track(init) or _audio_track(head)
    if track is None:
        return None
    number, scale = track
    for name, start, stop in _boxes(head, 0, len(head)):
        if name != b"moof":
            continue
        for traf, inner, end in _boxes(head, start, stop):
            if traf != b"traf":
                continue
            mine, ticks = False, None
            for box, at, _ in _boxes(head, inner, end):
                if box == b"tfhd":
                    mine = int.from_bytes(head[at + 4 : at + 8], "big") == number
                elif box == b"tfdt":
                    size = 8 if head[at : at + 1] == b"\1" else 4
                    ticks = int.from_bytes(head[at + 4 : at + 4 + size], "big")
            if mine and ticks is not None:
                return Stamp(ticks=ticks, rate=scale, wrap=None)
    return None
