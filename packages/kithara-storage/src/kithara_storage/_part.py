"""Files under construction: shared ones with a journal, private ones without.

`<final>.part` belongs to whoever holds its exclusive lock, and pairs with `<final>.map`. A name
that somebody unlinks or replaces changes under that lock, so whoever locks a file must check that
the name still leads to it. `<final>.<random>.part` is private: no journal, nothing of it survives.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from enum import Enum

from ._fs import FsOps, LockOutcome, folder_of
from ._held import HeldFile
from ._journal import (
    MAP,
    META,
    PART,
    Found,
    Journal,
    believed,
    beside,
    find,
    read_file,
    read_record,
)
from ._leftovers import leads_to
from ._models import Durability, Identity
from ._records import Extent, decode, encode_commit


class Role(Enum):
    """What an open file is to its handle."""

    FINAL = "final"
    PRIVATE = "private"
    LEAD = "lead"
    FOLLOW = "follow"


class Part:
    """An open file of one generation, and its journal where it has one.

    `write_journal` and `name_it` belong to the writer and the syncer; the rest is set before the
    part is shared between threads.
    """

    __slots__ = (
        "_doomed",
        "durability",
        "file",
        "final",
        "found",
        "fs",
        "identity",
        "journal",
        "length",
        "name",
        "rejected",
        "role",
    )  # fmt: skip

    def __init__(
        self, fs: FsOps, final: str, durability: Durability, fd: int, name: str | None, role: Role
    ) -> None:
        self.fs = fs
        self.final = final
        self.durability = durability
        self.name = name
        self.role = role
        self.file = HeldFile(fd, self._end)
        self.journal: Journal | None = None
        self.found: Found | None = None
        self.identity: Identity | None = None
        self.length: int | None = None
        self.rejected: tuple[int, int] | None = None  # a final file that is not to be believed
        self._doomed = False

    def look(self) -> None:
        """Apply the load rule to what an earlier writer left. Under the lock of the part."""
        self.found = found = find(self.fs, self.final, self.file.fd)
        self.identity = None if found is None else found.log.header.identity
        self.length = None if found is None else found.log.length

    def begin(self) -> None:
        """Open the journal, before the first byte is written. Writer thread."""
        if self.role is not Role.LEAD or self.journal is not None:
            return
        self._remove_rejected()
        if self.found is None:
            if self.fs.fstat(self.file.fd).st_size:  # ext4 makes who closes a file that was
                self.fs.ftruncate(self.file.fd, 0)  # emptied wait for its bytes: not for nothing
            self.journal = Journal.create(self.fs, self.final, self.identity)
        elif self.found.current and self.identity == self.found.log.header.identity:
            self.journal = Journal.go_on(self.fs, self.found)
        else:
            self._sync(self.file.fd)  # of what is believed, some was never synced
            self.journal = Journal.anew(self.fs, self.final, self.found, self.identity, self._sync)

    def write(self, runs: list[tuple[int, list[memoryview]]]) -> None:
        """Write bytes. Writer thread."""
        self.begin()
        for offset, views in runs:
            self.fs.write_all(self.file.fd, views, offset)

    def record(self, extents: list[Extent], length: int | None) -> None:
        """Record bytes that were written, before they are published. Writer thread."""
        if self.journal is not None:
            self.journal.record(extents, length)

    def barrier(self) -> None:
        """Make what is recorded safe from a power cut. Syncer thread."""
        journal = self.journal
        if journal is not None and self.durability is not Durability.NONE:
            covered = journal.end  # before the sync: what is recorded now is written already
            self._sync(self.file.fd)
            journal.barrier(covered)
            self._sync(journal.fd)

    def name_it(self, length: int) -> bool:
        """Give a part without holes its final name. Syncer thread.

        True if its folder must be synced before that can be believed.
        """
        fs = self.fs
        assert self.name is not None
        there = fs.stat(self.final)
        if (
            there is not None
            and there.st_size
            and fs.is_file(there)
            and ((there.st_dev, there.st_ino) != self.rejected)
        ):
            self._give_way()
            return False
        fs.ftruncate(self.file.fd, length)
        if self.journal is None:
            self._forget_record()
            if self.durability is not Durability.NONE:
                self._sync(self.file.fd)
        else:
            self.journal.finish(length)
            if self.durability is Durability.NONE:
                self._sync(self.journal.fd)  # so that the bytes can be checked later
            else:
                self.barrier()
            fs.rename(beside(self.final, MAP), beside(self.final, META))
        fs.rename(self.name, self.final)
        self.name = None
        return self.durability is not Durability.NONE

    def doom(self) -> None:
        """What was written cannot be believed: nobody is to find this generation again."""
        self._doomed = True
        if self.role is Role.LEAD:
            for suffix in (MAP, META):
                with contextlib.suppress(OSError):  # then its bytes are removed at least
                    self.fs.unlink(beside(self.final, suffix))

    def replaced(self) -> Part:
        """Begin a new generation in place of this one; the lock goes over without a gap."""
        fresh = open_private(self.fs, self.final, self.durability)
        assert fresh.name is not None
        shared = beside(self.final, PART)
        self._doomed = True
        try:
            self._remove_rejected()
            for suffix in (MAP, META):
                self.fs.unlink(beside(self.final, suffix))
            self.fs.rename(fresh.name, shared)
        except OSError:
            fresh.file.close()
            raise
        self.name = None  # it leads to the new one
        fresh.name = shared
        fresh.role = Role.LEAD
        return fresh

    @property
    def kept(self) -> bool:
        """Whether it stays when it is closed unfinished."""
        going = self.journal is not None or self.found is not None
        return self.role is Role.LEAD and going and not self._doomed

    @property
    def doomed(self) -> bool:
        """Whether nothing of it can be believed any more."""
        return self._doomed

    def _sync(self, fd: int) -> None:
        """Sync; what fails here is never tried again and believed."""
        try:
            if self.durability is Durability.FULL:
                self.fs.fullsync(fd)
            else:
                self.fs.fdatasync(fd)
        except OSError:
            self.doom()
            raise

    def _remove_rejected(self) -> None:
        """Remove a final file before its record goes, without which it would be believed."""
        if self.rejected is not None:
            self.fs.unlink(self.final)
            self.fs.fsync_dir(folder_of(self.final))
            self.rejected = None

    def _forget_record(self) -> None:
        """Remove the record of a final file that is gone."""
        self._remove_rejected()
        record = beside(self.final, META)
        if self.fs.stat(record) is not None:
            self.fs.unlink(record)
            self.fs.fsync_dir(folder_of(self.final))

    def _give_way(self) -> None:
        """Another writer was first; this one serves the readers that it has."""
        assert self.name is not None
        if self.role is Role.LEAD:
            self.fs.unlink(beside(self.final, MAP))
        self.fs.unlink(self.name)
        self.name = None

    def _end(self) -> None:
        if self.name is not None and self.role is not Role.FOLLOW and not self.kept:
            with contextlib.suppress(OSError):  # the next sweep of leftovers removes it
                self.fs.unlink(self.name)
        held = [self.file.fd] if self.journal is None else [self.journal.fd, self.file.fd]
        for fd in held:
            with contextlib.suppress(OSError):  # it is closed; what counts was synced before
                self.fs.close(fd)


def open_part(fs: FsOps, final: str, durability: Durability, *, resume: bool) -> Part:
    """Open what there is of a resource, by precedence: the final file, else a part."""
    part, rejected = find_final(fs, final)
    if part is None:
        part = open_shared(fs, final, durability) if resume else open_private(fs, final, durability)
        try:
            part.rejected = rejected
            done = find_final(fs, final)[0] if rejected is None else None
            if done is None and part.role is Role.LEAD:
                part.look()
        except BaseException:
            part.name = None  # what it is nobody knows: only its lock goes
            part.file.close()
            raise
        if done is not None:  # somebody committed between the two looks
            part.file.close()
            part = done
    part.durability = durability
    return part


def find_final(fs: FsOps, final: str) -> tuple[Part | None, tuple[int, int] | None]:
    """Open a complete file for reading; else which file of that name is not to be believed.

    Its length must be what its record says. Without a record it counts if it is not empty.
    """
    try:
        fd = fs.open(final, os.O_RDONLY)
    except FileNotFoundError:
        return None, None
    try:
        part = Part(fs, final, Durability.NONE, fd, None, Role.FINAL)
        part.length = _size_of_plain(fs, fd)
        if _is_sound(part):
            return part, None
        facts = fs.fstat(fd)
    except BaseException:
        fs.close(fd)
        raise
    fs.close(fd)
    return None, (facts.st_dev, facts.st_ino)


def _size_of_plain(fs: FsOps, fd: int) -> int:
    facts = fs.fstat(fd)
    if not fs.is_file(facts):
        raise OSError(errno.EEXIST, "not a plain file")
    return facts.st_size


def _is_sound(part: Part) -> bool:
    """Compare a final file with its record; one committed without a sync is read once."""
    fs, final = part.fs, part.final
    place = beside(final, META)
    record = read_record(fs, place)
    if record is None and fs.stat(beside(final, PART)) is None:
        place = beside(final, MAP)  # a cut may have kept one name of a commit and not the other
        record = read_record(fs, place)
    if record is None:
        return part.length != 0
    if record.header is None:
        return False  # nobody knows; it goes when something takes its place
    part.identity = record.header.identity
    sound: bool | None = record.length == part.length
    if record.length is None:
        sound = _check_bytes(part, place)
    if sound is not False:
        return sound is True  # not proven is not disproven: it stays like one of a lost record
    try:
        fs.unlink(final)  # it is wrong, and must be gone before its record may go
    except OSError:
        return False  # a cache that cannot be written: nothing else goes either
    fs.fsync_dir(folder_of(final))
    return False


def _check_bytes(part: Part, place: str) -> bool | None:
    """Compare a final file with its record's checksums; None: too little of the record is left."""
    fs = part.fs
    data = read_file(fs, place)
    log = None if data is None else decode(data)
    if log is None or not log.whole:
        return None
    if log.length != part.length:
        return False
    if log.header.boot == fs.boot_id():
        return True
    if len(believed(fs, part.file.fd, log, log.trusted)) < len(log.extents):
        return False
    with contextlib.suppress(OSError):  # a cache that cannot be written is checked again
        fd = fs.open(place, os.O_RDWR)
        try:
            fs.ftruncate(fd, log.end)
            fs.write_all(fd, (memoryview(encode_commit(log)),), log.end)
        finally:
            fs.close(fd)
    return True


def open_shared(fs: FsOps, final: str, durability: Durability) -> Part:
    """Open `<final>.part`: to lead if its lock is free, else to follow who holds it."""
    shared = beside(final, PART)
    while True:
        fd = fs.open(shared, os.O_RDWR | os.O_CREAT)
        lock = _locked(fs, shared, fd)
        if lock == "unsupported":
            fs.close(fd)
            return open_private(fs, final, durability)
        if lock is not None:
            role = Role.LEAD if lock == "held" else Role.FOLLOW
            return Part(fs, final, durability, fd, shared, role)


def open_private(fs: FsOps, final: str, durability: Durability) -> Part:
    """Open an empty part that nobody else writes and nobody finds again."""
    fd, name = open_temporary(fs, final)
    return Part(fs, final, durability, fd, name, Role.PRIVATE)


def open_temporary(fs: FsOps, final: str, mode: int = 0o600) -> tuple[int, str]:
    """Make an empty file under a name of its own, locked so that no sweep removes it."""
    while True:
        name = beside(final, f".{secrets.token_hex(8)}{PART}")
        fd = fs.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        lock = _locked(fs, name, fd)
        if lock == "busy":
            fs.close(fd)  # a sweep of leftovers was quicker: it removes this one
        elif lock is not None:
            return fd, name


def _locked(fs: FsOps, name: str, fd: int) -> LockOutcome | None:
    """Try to lock an open file; None, and it is closed, if its name leads elsewhere by now."""
    try:
        lock = fs.flock(fd)
        if lock == "unsupported" or leads_to(fs, name, fd):
            return lock
    except OSError:
        fs.close(fd)
        raise
    fs.close(fd)
    return None
