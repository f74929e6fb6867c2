"""The index on disk, best effort: what it says is checked, and nothing is lost without it."""

from __future__ import annotations

import contextlib
import os
import secrets
import struct
import sys
import zlib
from array import array
from dataclasses import dataclass
from pathlib import Path

from ._index import SIZE_BITS, SIZE_MASK
from ._root import INDEX
from ._rooted import RootedFs

NAME = "lru.snap"

_HEAD = struct.Struct("<8sQQQ")  # magic, as_of, assets, size of their names
_MAGIC = b"kithlru1"
_CRC = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The numbers of an index, and the microsecond since 1970 from which they were true."""

    as_of: int
    numbers: dict[str, int]


def encode(snapshot: Snapshot) -> bytes:
    """Write a snapshot: a head, the uses, the sizes, the names, a checksum."""
    numbers = snapshot.numbers.values()
    names = "\n".join(snapshot.numbers).encode()
    uses = _little(array("Q", (number >> SIZE_BITS for number in numbers)))
    sizes = _little(array("Q", (number & SIZE_MASK for number in numbers)))
    head = _HEAD.pack(_MAGIC, snapshot.as_of, len(numbers), len(names))
    body = b"".join((head, uses.tobytes(), sizes.tobytes(), names))
    return body + _CRC.pack(zlib.crc32(body))


def decode(data: bytes) -> Snapshot | None:
    """Read a snapshot; None if anything about it is not sound."""
    if len(data) < _HEAD.size + _CRC.size:
        return None
    magic, as_of, count, names_size = _HEAD.unpack_from(data)
    begin, width = _HEAD.size, 8 * count
    end = begin + 2 * width + names_size
    if magic != _MAGIC or len(data) != end + _CRC.size:
        return None
    if zlib.crc32(memoryview(data)[:end]) != _CRC.unpack_from(data, end)[0]:
        return None
    uses, sizes = array("Q"), array("Q")
    uses.frombytes(data[begin : begin + width])
    sizes.frombytes(data[begin + width : begin + 2 * width])
    names = data[begin + 2 * width : end].decode().split("\n") if count else []
    pairs = zip(_little(uses), _little(sizes), strict=True)
    packed = (use << SIZE_BITS | size for use, size in pairs)
    return Snapshot(as_of, dict(zip(names, packed, strict=True)))


def load(fs: RootedFs, root: Path) -> Snapshot | None:
    """Read the snapshot of a root, if there is a sound one."""
    with contextlib.suppress(OSError):
        fd = fs.open(root / INDEX / NAME, os.O_RDONLY)
        try:
            facts = fs.fstat(fd)
            if fs.is_file(facts):
                buffer = bytearray(facts.st_size)
                fs.read_all(fd, memoryview(buffer), 0)
                return decode(bytes(buffer))
        finally:
            fs.close(fd)
    return None


def save(fs: RootedFs, root: Path, snapshot: Snapshot) -> None:
    """Replace the snapshot of a root; nothing happens where that cannot be."""
    place = root / INDEX / NAME
    temporary = place.with_name(f"{NAME}.{secrets.token_hex(8)}.part")
    with contextlib.suppress(OSError):
        fd = fs.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            fs.write_all(fd, (memoryview(encode(snapshot)),), 0)
            fs.rename(temporary, place)
        except OSError:
            fs.unlink(temporary)
        finally:
            fs.close(fd)


def _little(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
