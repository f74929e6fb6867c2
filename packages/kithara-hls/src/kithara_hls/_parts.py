"""One init section or segment in the byte space, and where a reader stands in it."""

from dataclasses import dataclass
from fractions import Fraction

from kithara_assets import ResourceKey, StreamingResource

from ._cipher import BLOCK, SegmentCipher

__all__ = ("Heard", "Part", "PartCut", "Place")


class PartCut(Exception):
    """Raised in waits for bytes of a part that ended before them: what follows is elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What of a recording a part is: its variant, and when it is heard by the playlist.

    ``start`` in seconds, for how many ``seconds``; 0 of them for an init section. Floats: what is
    exact is decided elsewhere. ``silence`` is how many seconds are left out before the span that
    it opens.
    """

    variant: int
    track: str
    index: int | None
    run: int
    start: float
    seconds: float
    silence: Fraction


class Part:
    """One init section or segment that was laid: its bytes as received, and how to read them.

    ``start`` is where its first (decrypted) byte lies, ``size`` how many there are, None while
    that is not known. ``span`` counts the stretches that one decoder set-up can decode.
    """

    def __init__(
        self,
        *,
        key: ResourceKey,
        url: str,
        start: int,
        span: int,
        heard: Heard,
        cipher: SegmentCipher | None,
        resource: StreamingResource | None,
    ) -> None:
        self.key = key
        self.url = url
        self.start = start
        self.span = span
        self.heard = heard
        self.cipher = cipher
        self.size: int | None = None
        self.expected: int | None = None  # what ``size`` may be; nothing is decided by it
        self.resource = resource
        self.held = resource is not None  # by who fetches it
        self.users = 1 if resource is not None else 0
        self.left_by_seek = False
        self.damaged = False  # what was received is not to be kept

    def readable(self, resource: StreamingResource, offset: int) -> int:
        """Count the bytes that can be read at ``offset`` (of the byte space) now."""
        local = offset - self.start
        if self.size is not None and local >= self.size:
            return 0
        if self.cipher is None:
            count = resource.available(local)
            return count if self.size is None else min(count, self.size - local)
        first = local - local % BLOCK
        stop = (first + resource.available(first)) // BLOCK * BLOCK
        if self.size is not None:
            stop = min(stop, self.size)
        elif resource.length is not None:  # the last block waits for its padding to be checked
            stop = min(stop, resource.length - BLOCK)
        else:
            stop -= BLOCK
        return max(0, stop - local)

    def read_into(self, resource: StreamingResource, offset: int, buffer: memoryview) -> int:
        """Copy what is there at ``offset``, decrypted; never waits."""
        count = min(len(buffer), self.readable(resource, offset))
        if count == 0:
            return 0
        local = offset - self.start
        if self.cipher is None:
            return resource.read_into(local, buffer[:count])
        first = local - local % BLOCK
        stop = -(-(local + count) // BLOCK) * BLOCK
        before = BLOCK if first else 0
        coded = resource.read_at(first - before, stop - first + before)
        clear = self.cipher.decrypt(coded[:before], coded[before:])
        buffer[:count] = clear[local - first : local - first + count]
        return count


class Place:
    """Where one reader is: what it has read, up to where it waits, and what it was promised."""

    __slots__ = ("closed", "interrupted", "interruptions", "position", "promised", "wanted")

    def __init__(self) -> None:
        self.position = 0
        self.wanted = 0
        self.promised = 0
        self.closed = False
        self.interrupted = False
        self.interruptions = 0
