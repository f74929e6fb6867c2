"""Where the sound lies in chunked containers: sizes that libsndfile quietly cuts to the file's."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

_Order: TypeAlias = Literal["big", "little"]

_W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundExtent:
    """The byte where the samples begin; how many bytes of them are promised, None if not told."""

    start: int
    size: int | None


def sound_extent(head: bytes) -> SoundExtent | None:
    """Find the samples of a WAV, RF64, AIFF, CAF, W64 or AU file by its first bytes.

    None when the samples begin beyond the given bytes, or for other formats.
    """
    magic = head[:4]
    if magic in (b"RIFF", b"RIFX", b"RF64"):
        order: _Order = "big" if magic == b"RIFX" else "little"
        long_size = None
        for name, start, size in _chunks(head, 12, 4, order):
            if name == b"ds64":
                long_size = int.from_bytes(head[start + 8 : start + 16], "little")
            if name == b"data":
                return _extent(start, long_size if size == 0xFFFFFFFF and long_size else size, 4)
    elif magic == b"FORM":
        for name, start, size in _chunks(head, 12, 4, "big"):
            if name == b"SSND":
                return _extent(start + 8, max(0, size - 8), 4)
    elif magic == b"caff":
        for name, start, size in _chunks(head, 8, 8, "big"):
            if name == b"data":
                return _extent(start + 4, size - 4 if size < 1 << 63 else 0, 8)
    elif magic == b"riff":
        return _w64(head)
    elif magic in (b".snd", b"dns."):
        order = "big" if magic == b".snd" else "little"
        start, size = (int.from_bytes(head[at : at + 4], order) for at in (4, 8))
        return _extent(start, size, 4)
    return None


def _chunks(head: bytes, at: int, width: int, order: _Order) -> Iterator[tuple[bytes, int, int]]:
    while at + 4 + width <= len(head):
        size = int.from_bytes(head[at + 4 : at + 4 + width], order)
        yield head[at : at + 4], at + 4 + width, size
        # RIFF and AIFF pad chunks to even sizes; CAF does not.
        at += 4 + width + size + (size & 1 if width == 4 else 0)


def _w64(head: bytes) -> SoundExtent | None:
    at = 40
    while at + 24 <= len(head):
        size = int.from_bytes(head[at + 16 : at + 24], "little")  # counts its own 24 bytes
        if head[at : at + 16] == _W64_DATA:
            return _extent(at + 24, max(0, size - 24), 8)
        at += max(24, size + 7 & ~7)
    return None


def _extent(start: int, size: int, width: int) -> SoundExtent:
    told = 0 < size < (1 << 8 * width) - 1
    return SoundExtent(start=start, size=size if told else None)
