"""How an MP4 file is laid out, by its first bytes: that decides how it can be read."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal, TypeAlias

Layout: TypeAlias = Literal["fragments", "table first", "table last"]


def mp4_layout(head: bytes) -> Layout | None:
    """Tell where the samples are described: in fragments, or in one table before or behind them.

    None if the given bytes do not tell.
    """
    at = 0
    while at + 8 <= len(head):
        size, kind = int.from_bytes(head[at : at + 4]), head[at + 4 : at + 8]
        if size == 1 and at + 16 <= len(head):
            size = int.from_bytes(head[at + 8 : at + 16])
        if kind == b"moof":
            return "fragments"
        if kind == b"mdat":
            return "table last"
        if kind == b"moov":
            if b"mvex" in head[at : at + size]:
                return "fragments"
            return "table first" if at + size <= len(head) else None
        if size < 8:
            return None
        at += size
    return None


def edit_start(head: bytes) -> Fraction:
    """Return where in the media time of the first audio track its sound begins, in seconds.

    That is what the first edit says that shows any media; 0 without one, or where the given bytes
    do not hold the whole of it.
    """
    for track in _boxes(_first(head, b"moov"), b"trak"):
        media = _first(track, b"mdia")
        if _first(media, b"hdlr")[8:12] != b"soun":
            continue
        header = _first(media, b"mdhd")
        at = 20 if header[:1] == b"\x01" else 12
        timescale = int.from_bytes(header[at : at + 4])
        edits = _first(_first(track, b"edts"), b"elst")
        wide = 8 if edits[:1] == b"\x01" else 4
        for entry in range(8, len(edits) - 2 * wide - 3, 2 * wide + 4):
            start = int.from_bytes(edits[entry + wide : entry + 2 * wide], signed=True)
            if start >= 0 and timescale:
                return Fraction(start, timescale)
        break
    return Fraction(0)


def _boxes(content: bytes, kind: bytes) -> Iterator[bytes]:
    at = 0
    while at + 8 <= len(content):
        size = int.from_bytes(content[at : at + 4])
        if size < 8:  # up to the end, or of 64 bits: no header is that long
            return
        if content[at + 4 : at + 8] == kind:
            yield content[at + 8 : at + size]
        at += size


def _first(content: bytes, kind: bytes) -> bytes:
    return next(_boxes(content, kind), b"")
