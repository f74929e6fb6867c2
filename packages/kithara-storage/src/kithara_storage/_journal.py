"""The journal of one generation on disk: `<final>.map`, and `<final>.meta` once it is complete."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from ._crc import crc32
from ._fs import FsOps, folder_of
from ._models import Identity
from ._ranges import RangeSet
from ._records import (
    COMMIT_SIZE,
    Extent,
    Header,
    Log,
    coalesced,
    decode,
    decode_commit,
    decode_header,
    encode_barrier,
    encode_extents,
    encode_header,
    encode_length,
    encode_validated,
)

PART, MAP, META = ".part", ".map", ".meta"

Sync: TypeAlias = Callable[[int], None]

_PIECE = 1024 * 1024
HEAD = 4096  # no header is longer
LONGEST = 64 * _PIECE  # two million records: what is longer was damaged, and is not read whole


def beside(final: str, suffix: str) -> str:
    """The file that belongs to a final one."""
    return final + suffix


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A generation that was found: its journal, and the extents that may be believed."""

    log: Log
    extents: list[Extent]
    place: str
    current: bool  # this boot wrote it, under the name .map, and nothing of it was dropped

    def ranges(self) -> RangeSet:
        """Which bytes there are."""
        return coalesced(self.extents)


def find(fs: FsOps, final: str, part: int) -> Found | None:
    """Apply the load rule to the journal of an open part; None if nothing of it counts.

    The same boot wrote it: the page cache was coherent, every record counts. Another boot: those
    before the last barrier count, the rest where their checksums say so.
    """
    for place in (beside(final, MAP), beside(final, META)):
        data = read_file(fs, place)
        log = decode(data) if data is not None else None
        if log is None:
            continue
        same = bool(log.header.boot) and log.header.boot == fs.boot_id()
        extents = believed(fs, part, log, len(log.extents) if same else log.trusted)
        if extents:
            whole = len(extents) == len(log.extents)
            current = same and whole and place.endswith(MAP)
            return Found(log=log, extents=extents, place=place, current=current)
    return None


def believed(fs: FsOps, part: int, log: Log, trusted: int) -> list[Extent]:
    """The extents of a log that may be believed; those from `trusted` on are read and checked."""
    size = fs.fstat(part).st_size
    extents = log.extents
    if log.length is not None:
        size = min(size, log.length)
    if any(stop > size for _, stop, _ in extents):
        extents = [extent for extent in extents if extent[1] <= size]
        trusted = sum(1 for extent in log.extents[:trusted] if extent[1] <= size)
    return extents[:trusted] + [e for e in extents[trusted:] if crc_of(fs, part, e) == e[2]]


def crc_of(fs: FsOps, part: int, extent: Extent) -> int | None:
    """The checksum of bytes in a file; None if they are not all there."""
    start, stop, _ = extent
    view = memoryview(bytearray(min(_PIECE, stop - start)))
    crc = 0
    while start < stop:
        count = fs.read_all(part, view[: stop - start], start)
        if count == 0:
            return None
        crc = crc32(view[:count], crc)
        start += count
    return crc


def read_file(fs: FsOps, path: str) -> bytes | None:
    """The content of a journal; None if there is none that is a plain file.

    Of one that nobody can have written, for it is too long, the beginning.
    """
    try:
        fd = fs.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        facts = fs.fstat(fd)
        if not fs.is_file(facts):
            return None
        buffer = bytearray(min(facts.st_size, LONGEST))
        done = fs.read_all(fd, memoryview(buffer), 0)
    finally:
        fs.close(fd)
    return bytes(buffer) if done == len(buffer) else bytes(memoryview(buffer)[:done])


class Record(NamedTuple):
    """What the record of a final file says at a glance; no header: it is damaged or foreign."""

    header: Header | None
    length: int | None  # known without reading it all: it was committed with its bytes synced


def read_record(fs: FsOps, path: str) -> Record | None:
    """Read both ends of a record; None if there is no such file."""
    try:
        fd = fs.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        head = fs.pread(fd, HEAD, 0)
        size = len(head) if len(head) < HEAD else fs.fstat(fd).st_size
        found = decode_header(head)
        if found is None:
            return Record(None, None)
        tail = head
        if size > len(head):
            tail = fs.pread(fd, COMMIT_SIZE, size - COMMIT_SIZE)
    finally:
        fs.close(fd)
    return Record(found[0], decode_commit(found[0], size, tail))


class Journal:
    """An open journal; the writer and the syncer append to it."""

    __slots__ = ("_fs", "_length", "_lock", "end", "fd", "header")

    def __init__(self, fs: FsOps, fd: int, header: Header, end: int, length: int | None) -> None:
        self._fs = fs
        self._lock = threading.Lock()
        self._length = length
        self.fd = fd
        self.header = header
        self.end = end

    @classmethod
    def create(cls, fs: FsOps, final: str, identity: Identity | None) -> Journal:
        """Begin the journal of a new generation; its name is on the disk when this returns.

        Nothing may be written to the part before that: else the journal of an earlier
        generation could reappear beside it after a power cut.
        """
        path = beside(final, MAP)
        fs.unlink(beside(final, META))
        fs.unlink(path)
        header = Header(
            generation=secrets.token_bytes(16),
            boot=fs.boot_id().ljust(16, b"\0"),
            identity=identity,
        )
        fd = fs.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        journal = cls(fs, fd, header, 0, None)
        try:
            journal._append(encode_header(header))
            fs.fsync_dir(folder_of(final))
        except BaseException:
            fs.close(fd)
            raise
        return journal

    @classmethod
    def go_on(cls, fs: FsOps, found: Found) -> Journal:
        """Go on with a generation as it was found."""
        log = found.log
        fd = fs.open(found.place, os.O_RDWR)
        journal = cls(fs, fd, log.header, log.end, log.length)
        try:
            fs.ftruncate(fd, log.end)  # a torn record, and what may follow it
            journal._append(encode_validated(log.header, int(time.time())))
        except BaseException:
            fs.close(fd)
            raise
        return journal

    @classmethod
    def anew(
        cls, fs: FsOps, final: str, found: Found, identity: Identity | None, sync: Sync
    ) -> Journal:
        """Write the journal again: what is believed (and was synced), under the facts of now."""
        header = Header(
            generation=found.log.header.generation,
            boot=fs.boot_id().ljust(16, b"\0"),
            identity=identity,
        )
        temporary = beside(final, f".{secrets.token_hex(8)}{PART}")
        fd = fs.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        journal = cls(fs, fd, header, 0, None)
        try:
            journal._append(encode_header(header) + encode_extents(header, found.extents))
            journal.state_length(found.log.length)
            journal._append(encode_validated(header, int(time.time())))
            journal.barrier(journal.end)
            sync(fd)
            fs.rename(temporary, beside(final, MAP))
            fs.unlink(beside(final, META))
            fs.fsync_dir(folder_of(final))
        except BaseException:
            fs.unlink(temporary)
            fs.close(fd)
            raise
        return journal

    def record(self, extents: list[Extent], length: int | None) -> None:
        """Record bytes that were written, and the length once it is known."""
        self._append(encode_extents(self.header, extents))
        self.state_length(length)

    def finish(self, length: int) -> None:
        """Record the length once more: with a barrier right behind it, it says "complete"."""
        self._length = None
        self.state_length(length)

    def state_length(self, length: int | None) -> None:
        """Record the length, once."""
        if length is not None and self._length is None:
            self._append(encode_length(self.header, length))
            self._length = length

    def barrier(self, covered: int) -> None:
        """Record that everything before `covered` is safe; the part was synced after it."""
        self._append(encode_barrier(self.header, covered))

    def _append(self, records: bytes) -> None:
        if records:
            with self._lock:
                self._fs.write_all(self.fd, (memoryview(records),), self.end)
                self.end += len(records)
