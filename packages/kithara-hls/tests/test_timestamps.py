import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_hls._timestamps import Stamp, first_stamp

WRAP = 1 << 33


def packet(payload: bytes, *, start: bool = True, adaptation: int | None = None) -> bytes:
    head = bytes([0x47, 0x40 if start else 0, 0x11])
    if adaptation is None:
        return (head + b"\x10" + payload).ljust(188, b"\xff")
    field = bytes([adaptation]) + b"\0" * adaptation
    return (head + b"\x30" + field + payload).ljust(188, b"\xff")


def pes(ticks: int, stream: int = 0xC0, payload: bytes = b"audio") -> bytes:
    high, middle, low = ticks >> 30 & 7, ticks >> 15 & 0x7FFF, ticks & 0x7FFF
    pts = bytes([0x21 | high << 1]) + struct.pack(">HH", middle << 1 | 1, low << 1 | 1)
    return b"\0\0\1" + bytes([stream]) + b"\0\0\x80\x80\x05" + pts + payload


def box(name: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + name + body


def init(*tracks: tuple[int, bytes, int], version: int = 0) -> bytes:
    times = b"\0" * (16 if version else 8)
    flags = bytes([version, 0, 0, 0])
    made = [
        box(
            b"trak",
            box(b"tkhd", flags, times, struct.pack(">I", number), b"\0" * 60),
            box(
                b"mdia",
                box(b"mdhd", flags, times, struct.pack(">I", scale), b"\0" * 12),
                box(b"hdlr", b"\0" * 8, kind, b"\0" * 13),
            ),
        )
        for number, kind, scale in tracks
    ]
    return box(b"ftyp", b"mp42") + box(b"moov", box(b"mvhd", b"\0" * 100), *made)


def fragment(*tracks: tuple[int, int], version: int = 1) -> bytes:
    times = ">Q" if version else ">I"
    made = [
        box(
            b"traf",
            box(b"tfhd", b"\0\2\0\0", struct.pack(">I", number)),
            box(b"tfdt", bytes([version, 0, 0, 0]), struct.pack(times, ticks)),
        )
        for number, ticks in tracks
    ]
    return box(b"styp", b"msdh") + box(b"moof", box(b"mfhd", b"\0" * 8), *made) + box(b"mdat", b"x")


@given(st.integers(0, WRAP - 1))
def test_mpeg_ts_tells_the_first_audio_pts(ticks: int) -> None:
    head = packet(b"\0" + b"tables") + packet(pes(5, 0xE0)) + packet(b"more", start=False)
    head += packet(pes(6, 0xBD, b"ID3\4\0\0")) + packet(pes(ticks), adaptation=7) + packet(pes(9))
    assert first_stamp(head) == Stamp(ticks=ticks, rate=90_000, wrap=WRAP)
    assert first_stamp(head[: 188 * 4]) is None


def test_ac_3_is_audio_of_a_private_stream() -> None:
    ac_3 = packet(pes(6, 0xBD, b"ID3\4\0\0")) + packet(pes(7, 0xBD, b"\x0bw"))
    assert first_stamp(ac_3) == Stamp(ticks=7, rate=90_000, wrap=WRAP)


@given(st.integers(0, 2**32 - 1), st.integers(0, 1), st.integers(0, 1))
def test_a_fragment_tells_the_time_of_its_sound(ticks: int, header: int, times: int) -> None:
    section = init((1, b"vide", 90_000), (2, b"soun", 44_100), version=header)
    head = fragment((1, 77), (2, ticks), version=times)
    assert first_stamp(head, section) == Stamp(ticks=ticks, rate=44_100, wrap=None)
    assert first_stamp(section + head) == Stamp(ticks=ticks, rate=44_100, wrap=None)
    assert first_stamp(head[: head.index(b"moof") + 20], section) is None
    assert first_stamp(head) is None


def test_packed_audio_tells_it_in_a_private_frame() -> None:
    owner = b"com.apple.streaming.transportStreamTimestamp\0"
    head = b"ID3\4\0\0\0\0\0\77PRIV\0\0\0\65\0\0" + owner + (891_380).to_bytes(8, "big")
    assert first_stamp(head) == Stamp(ticks=891_380, rate=90_000, wrap=WRAP)
    assert first_stamp(head[:-1]) is None
    assert first_stamp(b"ID3\4\0\0\0\0\0\0\xff\xf1") is None


@given(st.binary(max_size=600), st.binary(max_size=300), st.sampled_from([b"", b"\x47", b"ID3"]))
def test_any_bytes_tell_a_time_or_nothing(head: bytes, section: bytes, begin: bytes) -> None:
    stamp = first_stamp(begin + head, section)
    assert stamp is None or stamp.ticks >= 0
    cut = fragment((1, 5))
    first_stamp(cut[: len(head) % len(cut)] + head, init((1, b"soun", 48_000)) + section)


@pytest.mark.parametrize("turns", [-1, 0, 1, 5])
def test_a_clock_that_wrapped_is_unwrapped(turns: int) -> None:
    stamp = Stamp(ticks=100, rate=90_000, wrap=WRAP)
    expected = Fraction(turns * WRAP + 4_000_000, 90_000)
    assert stamp.near(expected) == Fraction(turns * WRAP + 100, 90_000)
