"""The format of a journal: one header, then records of one size, each with a checksum.

A record's checksum begins with the generation's own, so no record of another generation passes.
A bad record ends the log: what follows it never counts.
"""

from __future__ import annotations

import json
import struct
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from ._ranges import RangeSet

Extent: TypeAlias = tuple[int, int, int]
"""`start`, `stop` and the CRC-32 of the bytes between."""

_MAGIC = b"KTHR"
_VERSION = 1
_HEADER = struct.Struct("<4sHHI16s16s")  # magic, version, record size, size of facts, ids
_CRC = struct.Struct("<I")
_FIELDS = struct.Struct("<BxxxIQQ")  # kind, crc of the bytes, two numbers
_RECORD = struct.Struct("<BxxxIQQI")  # the same, and the crc of the record
_SPLIT = struct.Struct("<24sI")
_EXTENT, _BARRIER, _LENGTH, _VALIDATED = 1, 2, 3, 4
_MAX_FACTS = 4000  # with the header, one page
_MAX_OFFSET = 1 << 62
_COMMIT = struct.Struct("<24sI24sI")
COMMIT_SIZE = _COMMIT.size
_JSON = json.JSONDecoder()


class Header(NamedTuple):
    """Which generation a journal is of, which boot wrote it, and what its bytes are."""

    generation: bytes
    boot: bytes
    identity: Mapping[str, str] | None

    @property
    def seed(self) -> int:
        """What the checksums of its records begin with."""
        return zlib.crc32(self.generation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What a journal says. The first `trusted` extents came before the last barrier."""

    header: Header
    begin: int
    end: int
    extents: list[Extent]
    trusted: int
    length: int | None

    @property
    def whole(self) -> bool:
        """Whether every byte up to a known length is recorded."""
        ranges = coalesced(self.extents)
        return self.length is not None and ranges.next_hole(0, self.length) is None


def encode_header(header: Header) -> bytes:
    """Write a header."""
    facts = None if header.identity is None else dict(header.identity)
    text = json.dumps(facts, sort_keys=True).encode()
    if len(text) > _MAX_FACTS:
        raise ValueError("the facts of an identity take more than 4000 bytes")
    head = _HEADER.pack(
        _MAGIC, _VERSION, _RECORD.size, len(text), header.generation, header.boot
    )  # fmt: skip
    return head + text + _CRC.pack(zlib.crc32(head + text))


def decode_header(data: bytes) -> tuple[Header, int] | None:
    """Read a header and where it ends; None if it is not one of this version, or is damaged."""
    if len(data) < _HEADER.size:
        return None
    magic, version, record, size, generation, boot = _HEADER.unpack_from(data)
    end = _HEADER.size + size
    if (magic, version, record) != (_MAGIC, _VERSION, _RECORD.size) or size > _MAX_FACTS:
        return None
    if len(data) < end + _CRC.size or zlib.crc32(data[:end]) != _CRC.unpack_from(data, end)[0]:
        return None
    try:
        identity, _ = _JSON.raw_decode(data[_HEADER.size : end].decode())
    except (ValueError, RecursionError):
        return None
    if not (identity is None or isinstance(identity, dict)):
        return None
    return Header(generation, boot, identity), end + _CRC.size


def encode_extents(header: Header, extents: Iterable[Extent]) -> bytes:
    """Record bytes that are in the part."""
    seed = header.seed
    return b"".join(
        _encode(seed, _EXTENT, crc, start, stop - start) for start, stop, crc in extents
    )


def encode_barrier(header: Header, covered: int) -> bytes:
    """Record that the bytes of all records before `covered` (a place in the journal) are safe."""
    return _encode(header.seed, _BARRIER, 0, covered, 0)


def encode_length(header: Header, length: int) -> bytes:
    """Record the length of the resource."""
    return _encode(header.seed, _LENGTH, 0, length, 0)


def encode_validated(header: Header, seconds: int) -> bytes:
    """Record that the origin confirmed this version, in seconds since 1970."""
    return _encode(header.seed, _VALIDATED, 0, seconds, 0)


def encode_commit(log: Log) -> bytes:
    """Record, behind all others, that everything is there and safe."""
    assert log.length is not None
    length = encode_length(log.header, log.length)
    return length + encode_barrier(log.header, log.end + len(length))


def decode(data: bytes) -> Log | None:
    """Read a journal as far as it is sound; None if not even its header is."""
    found = decode_header(data)
    if found is None:
        return None
    header, begin = found
    return decode_records(header, begin, data[begin:])


def decode_records(header: Header, begin: int, data: bytes) -> Log:
    """Read the records that stand from `begin` on in a journal."""
    sound = _sound(header.seed, data)
    extents: list[Extent] = []
    others: list[int] = []
    barrier = 0
    length = None
    for number, (kind, crc, first, second, _) in enumerate(
        _RECORD.iter_unpack(data[: sound * _RECORD.size])
    ):
        if kind == _EXTENT and second <= _MAX_OFFSET and first <= _MAX_OFFSET:
            extents.append((first, first + second, crc))
            continue
        others.append(number)
        if kind == _BARRIER:
            barrier = max(barrier, first)
        elif kind == _LENGTH:
            length = first
    safe = max(0, barrier - begin) // _RECORD.size
    return Log(
        header=header,
        begin=begin,
        end=begin + sound * _RECORD.size,
        extents=extents,
        trusted=min(len(extents), safe - bisect_left(others, safe)),
        length=length,
    )


def decode_commit(header: Header, size: int, tail: bytes) -> int | None:
    """The length, if the last records of a journal of `size` bytes say that all of it is safe."""
    if len(tail) < COMMIT_SIZE:
        return None
    first, first_crc, second, second_crc = _COMMIT.unpack_from(tail, len(tail) - COMMIT_SIZE)
    seed = header.seed
    if zlib.crc32(first, seed) != first_crc or zlib.crc32(second, seed) != second_crc:
        return None
    (kind, _, length, _), (last, _, covered, _) = _FIELDS.unpack(first), _FIELDS.unpack(second)
    if (kind, last, covered) != (_LENGTH, _BARRIER, size - _RECORD.size):
        return None
    return int(length)


def coalesced(extents: Iterable[Extent]) -> RangeSet:
    """The bytes of extents as ranges."""
    in_order = sorted(extents, key=itemgetter(0))  # of numbers alone: half the time of tuples
    return RangeSet.of_sorted((start, stop) for start, stop, _ in in_order)


def _encode(seed: int, kind: int, crc: int, first: int, second: int) -> bytes:
    record = _FIELDS.pack(kind, crc, first, second)
    return record + _CRC.pack(zlib.crc32(record, seed))


def _sound(seed: int, data: bytes) -> int:
    """How many records stand at the beginning of `data`, up to the first bad one."""
    whole = len(data) - len(data) % _RECORD.size
    crc32 = zlib.crc32
    sound = 0
    for record, crc in _SPLIT.iter_unpack(data[:whole]):
        if crc32(record, seed) != crc:
            break
        sound += 1
    return sound
