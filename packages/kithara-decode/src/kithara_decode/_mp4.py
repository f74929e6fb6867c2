"""How an MP4 file is laid out, by its first bytes: that decides how it can be read."""

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
