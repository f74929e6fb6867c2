"""Reading what another handle or process writes, and taking over when it is gone."""

from __future__ import annotations

import os
import time

from ._body import Body
from ._errors import GenerationReplaced, from_os_error
from ._journal import HEAD, LONGEST, MAP, META, PART, beside
from ._leftovers import leads_to
from ._part import Part, Role, find_final, open_part
from ._ranges import RangeSet
from ._records import Header, coalesced, decode_header, decode_records

SOONEST, LATEST = 0.005, 0.05
"""Seconds between two looks: while bytes arrive, and while none do."""


class Follower:
    """Follows the journal of a part that somebody else holds the lock of. Writer thread."""

    __slots__ = ("_at", "_body", "_delay", "_fd", "_header")

    def __init__(self, body: Body) -> None:
        self._body = body
        self._fd: int | None = None  # of the journal
        self._header: Header | None = None
        self._at = 0  # how far the journal was read
        self._delay = SOONEST

    def look(self, now: float) -> float | None:
        """Look once; answer when to look again, None when there is nothing to follow any more."""
        body, part = self._body, self._body.part
        going = False
        if body.status.name == "PARTIAL" and part.file.enter():
            try:
                going = self._look(part)
            except OSError as error:
                failure = from_os_error(error, path=body.path, operation="follow")
                failure.__cause__ = error
                body.break_off(failure)
            finally:
                part.file.leave()
        if going:
            return time.monotonic() + self._delay
        self._forget_journal()
        return None

    def _look(self, part: Part) -> bool:
        fs, body, fd = part.fs, self._body, part.file.fd
        if leads_to(fs, beside(part.final, PART), fd):
            if fs.flock(fd) == "held" and leads_to(fs, beside(part.final, PART), fd):
                self._take_over(part)
                return False
            return self._read_journal(part)
        if leads_to(fs, part.final, fd):
            part.role = Role.FINAL
            part.name = None
            self._learn_identity(part)
            body.complete(fs.fstat(fd).st_size, part)
            return False
        if body.ranges:
            body.replaced()
            return False
        return self._reopen(part)

    def _learn_identity(self, part: Part) -> None:
        """The writer may have committed before its journal was read."""
        final, _ = find_final(part.fs, part.final)
        if final is not None:
            part.identity = final.identity
            final.file.close()

    def _take_over(self, part: Part) -> None:
        body = self._body
        part.look()
        found = part.found.ranges() if part.found is not None else RangeSet()
        if not all(found.contains(*known) for known in body.ranges):
            body.break_off(GenerationReplaced(path=body.path), withdrawn=True)
            return
        self._publish(found)
        part.role = Role.LEAD
        body.lead(part)

    def _reopen(self, part: Part) -> bool:
        """Nothing was seen, and what there was is gone: look for what there is now."""
        body = self._body
        new = open_part(part.fs, part.final, part.durability, resume=True)
        if new.role is Role.FOLLOW:
            body.part = new
        elif new.role is Role.FINAL:
            body.complete(new.length or 0, new)
        else:
            body.lead(new)
        part.file.close()  # now that nobody looks at it any more
        return new.role is Role.FOLLOW

    def _read_journal(self, part: Part) -> bool:
        fs, place = part.fs, beside(part.final, MAP)
        if self._fd is not None and not leads_to(fs, place, self._fd):
            self._forget_journal()
            if fs.stat(place) is None and fs.stat(beside(part.final, META)) is None:
                return self._was_given_up(part)
        if self._fd is None and not self._open_journal(part, place):
            self._delay = min(self._delay * 1.5, LATEST)
            return True
        assert self._fd is not None
        assert self._header is not None
        size = fs.fstat(self._fd).st_size
        data = bytearray(min(max(0, size - self._at), LONGEST))
        fs.read_all(self._fd, memoryview(data), self._at)
        log = decode_records(self._header, self._at, bytes(data))
        if log.end == self._at:
            self._delay = min(self._delay * 1.5, LATEST)
            return True
        self._at = log.end
        self._delay = SOONEST
        self._publish(coalesced(log.extents), log.length)
        return True

    def _was_given_up(self, part: Part) -> bool:
        """The writer unlinked its journal: what it wrote cannot be believed."""
        if leads_to(part.fs, beside(part.final, PART), part.file.fd):
            self._body.break_off(GenerationReplaced(path=self._body.path), withdrawn=True)
            return False
        return True  # it committed meanwhile: the next look tells

    def _open_journal(self, part: Part, place: str) -> bool:
        """Open the journal, if it is written by this boot: before that nobody checked it."""
        fs = part.fs
        try:
            fd = fs.open(place, os.O_RDONLY)
        except FileNotFoundError:
            return False
        self._fd = fd
        found = decode_header(fs.pread(fd, HEAD, 0))
        if found is None or found[0].boot != fs.boot_id():
            self._forget_journal()
            return False
        self._header, self._at = found
        part.identity = self._header.identity
        return True

    def _forget_journal(self) -> None:
        if self._fd is not None:
            self._body.part.fs.close(self._fd)
            self._fd = None

    def _publish(self, ranges: RangeSet, length: int | None = None) -> None:
        known = self._body.ranges
        fresh = [hole for range_ in ranges for hole in known.holes(*range_)]
        self._body.publish(fresh, length=length)
