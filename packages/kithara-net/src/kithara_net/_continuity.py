"""How a broken body may be continued: what to ask for, and whether an answer continues it."""

from __future__ import annotations

from collections import deque

from kithara_net._errors import ContentChanged, RangeNotSatisfiable
from kithara_net._identity import Identity, compare, may_rotate
from kithara_net._models import RangeSpec, ResponseHead, Validator
from kithara_net._urls import shown


class Continuity:
    """One body so far: its first head, how far it came, and its last bytes; no I/O.

    What is learned about the server (it ignores `If-Range`, its tags rotate, it has none) holds
    for the rest of the body, so that each detour is made once.
    """

    def __init__(self, head: ResponseHead, *, url: str, probe_size: int) -> None:
        self.frontier = head.start
        """Where the next byte belongs, in bytes of the resource."""
        self.stop = head.stop
        """Where this body ends; None while unknown."""
        self._first = head
        self._url = url
        self._total = head.total
        self._probe_size = probe_size
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        validator = head.validator
        self._plain = self._probing = validator is None or validator.if_range is None
        self._suspect: ResponseHead | None = None
        self._rotating = False

    def add(self, piece: bytes) -> None:
        """Count a piece that is handed on, and keep the last ones by reference."""
        size = len(piece)
        self.frontier += size
        self._tail.append(piece)
        self._tail_size += size
        if self._tail_size > self._probe_size:
            while self._tail_size - len(self._tail[0]) >= self._probe_size:
                self._tail_size -= len(self._tail.popleft())

    def tail(self) -> bytes:
        """The last bytes before the frontier, at most `probe_size`."""
        return b"".join(self._tail)[-self._probe_size :]

    @property
    def complete(self) -> bool:
        """True if every byte up to a known end was handed on."""
        return self.stop is not None and self.frontier >= self.stop

    def question(self, *, proving: bool) -> tuple[RangeSpec, str | None]:
        """The range to ask for and the value of `If-Range`, None for none.

        `proving` asks whether the frontier is the end, with bytes to compare in any case.
        """
        overlap = len(self.tail()) if proving or self._probing else 0
        asked = RangeSpec(self.frontier - overlap, None if proving else self.stop)
        validator = self._first.validator
        plain = proving or self._plain or validator is None
        return asked, None if plain or validator is None else validator.if_range

    def accepts(self, head: ResponseHead, *, proving: bool) -> bool:
        """True if the answer may continue the body; False if another question must be asked.

        An answer that starts before the frontier has still to be compared with the tail. Raises
        `ContentChanged`.
        """
        if None not in (self._total, head.total) and self._total != head.total:
            raise self.changed(head.validator, head.total)
        identity = compare(self._first, head)
        if identity is Identity.CHANGED and not self._rotating:
            if self._suspect is None:
                # One more answer tells a new version from tags that are new in each answer.
                self._suspect = head
                self._plain = self._probing = True
                return False
            tags = (self._first.validator, self._suspect.validator, head.validator)
            if not may_rotate(*tags):
                raise self.changed(head.validator, head.total)
            self._rotating = True
        if head.status != 206 and not self._plain:
            # Ignores If-Range, or ranges altogether; without If-Range the answer says which.
            self._plain = True
            return False
        compared = head.start < self.frontier or not self._tail
        if identity is not Identity.SAME and not compared:
            self._plain = self._probing = True
            return False
        self._learn(head, proving=proving)
        return True

    def _learn(self, head: ResponseHead, *, proving: bool) -> None:
        if self._total is None:
            self._total = head.total
        if self.stop is None:
            ends_here = proving and head.stop == self.frontier
            self.stop = self.frontier if ends_here else head.total

    def missed(self, error: RangeNotSatisfiable, *, proving: bool) -> None:
        """Weigh a 416: return if it tells the end, or if an overlap can settle it; else raise."""
        if error.total is not None and error.total != (self._total or self.frontier):
            raise self.changed(None, error.total) from error
        if proving and not self._tail:
            self.stop = self.frontier
        elif proving or self._total is not None or not self._tail:
            raise error

    def check(self, at: int, piece: bytes) -> bytes:
        """Compare a piece at offset `at` with the tail; return what lies beyond the frontier."""
        tail = self.tail()
        begin = self.frontier - len(tail)
        low, high = max(at, begin), min(at + len(piece), self.frontier)
        if low < high and piece[low - at : high - at] != tail[low - begin : high - begin]:
            raise self.changed(None, self._total)
        return piece[max(0, self.frontier - at) :]

    def changed(self, after: Validator | None, total: int | None) -> ContentChanged:
        """The error for an answer about another version."""
        return ContentChanged(
            url=shown(self._url),
            before=self._first.validator,
            after=after,
            total_before=self._total,
            total_after=total,
        )
