"""The byte space of a session: which part lies where, shared by the loop and reading threads."""

import asyncio
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from kithara_assets import Assets, ResourceKey, ResourceStatus, StreamingResource
from kithara_stream import Cancelled, Interrupted

from ._cipher import BLOCK, SegmentCipher
from ._errors import SegmentInvalid

__all__ = ("Part", "PartTable", "Place")

_OPEN_PARTS = 4  # complete parts kept open for reading; others are opened again when needed


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
        index: int | None,
        start: int,
        span: int,
        ends_span: bool,
        cipher: SegmentCipher | None,
        resource: StreamingResource,
    ) -> None:
        self.key = key
        self.url = url
        self.index = index
        self.start = start
        self.span = span
        self.ends_span = ends_span
        self.cipher = cipher
        self.size: int | None = None
        self.resource: StreamingResource | None = resource
        self.held = True  # by who lays it
        self.users = 1

    def readable(self, resource: StreamingResource, offset: int) -> int:
        """Count the bytes that can be read at ``offset`` (of the byte space) now."""
        local = offset - self.start
        if self.size is not None and local >= self.size:
            return 0
        if self.cipher is None:
            return resource.available(local)
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
    """Where one reader is: what it has read, and up to where it waits."""

    __slots__ = ("closed", "interrupted", "interruptions", "position", "wanted")

    def __init__(self) -> None:
        self.position = 0
        self.wanted = 0
        self.closed = False
        self.interrupted = False
        self.interruptions = 0


class PartTable:
    """The parts laid so far, in order, and how far ahead of its readers more may be laid.

    The pipeline (one task) lays parts and waits for demand; any thread reads. Everything is
    guarded by one condition; who waits for a part to become known waits on it.
    """

    def __init__(self, store: Assets, look_ahead: int) -> None:
        self._store = store
        self._look_ahead = look_ahead
        self._changed = threading.Condition()
        self._parts: list[Part] = []
        self._starts: list[int] = []
        self._span_starts: dict[int, int] = {}
        self._span_stops: dict[int, int] = {}
        self._idle: OrderedDict[Part, None] = OrderedDict()
        self._places: set[Place] = set()
        self._ended = False
        self._closed = False
        self._error: Exception | None = None
        self._unbounded = False
        self._loop = asyncio.get_running_loop()
        self._demand = asyncio.Event()
        self._paused_at: int | None = None

    # -- the pipeline's side, on the loop ------------------------------------------------------

    @property
    def end(self) -> int:
        """Where the next part begins; only while the last one's size is known."""
        if not self._parts:
            return 0
        last = self._parts[-1]
        assert last.size is not None
        return last.start + last.size

    def lay(self, part: Part) -> None:
        """Add a part behind all others: from now on its bytes can be waited for."""
        with self._changed:
            self._parts.append(part)
            self._starts.append(part.start)
            self._span_starts.setdefault(part.span, part.start)
            self._changed.notify_all()

    def set_size(self, part: Part, size: int) -> None:
        """Make known how many bytes a part has for its readers."""
        with self._changed:
            part.size = size
            if part.ends_span:
                self._span_stops[part.span] = part.start + size
            self._changed.notify_all()

    def finish(self, part: Part) -> None:
        """The part is complete in the cache: let go of it."""
        with self._changed:
            part.held = False
            self._leave(part)

    def end_here(self) -> None:
        """No part follows: readers behind the last one are at the proven end."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """No byte follows: who waits for a missing one gets ``error``."""
        with self._changed:
            self._error = error
            last = self._parts[-1] if self._parts else None
            resource = last.resource if last is not None and last.held else None
            if resource is not None and resource.status is ResourceStatus.PARTIAL:
                resource.fail(error)
            self._changed.notify_all()

    def unbound(self) -> None:
        """Lay everything, whether it is read or not."""
        self._unbounded = True
        self._demand.set()

    async def wait_demand(self, laid: int, *, begun: bool = False) -> None:
        """Wait until somebody is so near that bytes at ``laid`` may be fetched.

        A part that was ``begun`` may go on for another look-ahead: servers drop requests that are
        held back for long, and most parts end before that.
        """
        if begun:
            laid -= self._look_ahead
        while not self._unbounded:
            with self._changed:
                if laid < self._limit():
                    self._paused_at = None
                    return
                self._paused_at = laid
                self._demand.clear()
            await self._demand.wait()

    def close(self) -> None:
        """Wake every wait with Cancelled, close what is open. Idempotent."""
        with self._changed:
            self._closed = True
            self._paused_at = None
            for part in self._parts:
                if part.held:
                    part.held = False
                    self._leave(part)
            self._close_idle()
            self._changed.notify_all()

    # -- the readers' side, any thread ---------------------------------------------------------

    def enter(self) -> Place:
        """A place for one more reader, at the start."""
        place = Place()
        with self._changed:
            self._places.add(place)
            place.closed = self._closed
        return place

    def leave(self, place: Place) -> None:
        """The reader is gone: wake it if it waits. Idempotent."""
        with self._changed:
            place.closed = True
            self._places.discard(place)
            self._changed.notify_all()

    def interrupt(self, place: Place) -> None:
        """Make waits of this reader raise Interrupted until `proceed`. Idempotent."""
        with self._changed:
            place.interrupted = True
            place.interruptions += 1
            self._changed.notify_all()

    def proceed(self, place: Place) -> None:
        """Let this reader wait again. Idempotent."""
        with self._changed:
            place.interrupted = False

    def move(self, place: Place, *, position: int | None = None, wanted: int = 0) -> None:
        """Tell where a reader is, and the offset up to which it waits (0: it does not)."""
        with self._changed:
            if position is not None:
                place.position = position
            place.wanted = wanted
            paused = self._paused_at
            if paused is not None and paused < self._limit():
                self._paused_at = None
                self._loop.call_soon_threadsafe(self._demand.set)

    def find(self, offset: int, place: Place, deadline: float | None) -> Part | None:
        """Answer the part that holds ``offset``, waiting until it is known; None at the end."""
        with self._changed:
            while True:
                self._check(place)
                part = self.peek(offset)
                if part is not None:
                    return part
                if self._ended:
                    return None
                self._wait(place, deadline)

    def wait_size(self, part: Part, place: Place, deadline: float | None) -> None:
        """Wait until the size of ``part`` is known."""
        with self._changed:
            while part.size is None:
                self._check(place)
                self._wait(place, deadline)

    def peek(self, offset: int) -> Part | None:
        """Answer the part that holds ``offset``, None if none does (yet); never waits."""
        with self._changed:
            at = bisect_right(self._starts, offset) - 1
            if at < 0:
                return None
            part = self._parts[at]
            if part.size is not None and offset >= part.start + part.size:
                return None
            return part

    def span(self, part: Part) -> tuple[int, int | None]:
        """Where the span of ``part`` starts, and where it stops (None while not known)."""
        with self._changed:
            return self._span_starts[part.span], self._span_stops.get(part.span)

    @contextmanager
    def opened(self, part: Part) -> Iterator[StreamingResource]:
        """Hold the part's resource open, opening it again if it was let go."""
        with self._changed:
            if self._closed:
                raise Cancelled("the session")
            if part.resource is None:
                part.resource = self._reopen(part)
            part.users += 1
            self._idle.pop(part, None)
            resource = part.resource
        try:
            yield resource
        finally:
            with self._changed:
                self._leave(part)

    # -- with the condition held ---------------------------------------------------------------

    def _reopen(self, part: Part) -> StreamingResource:
        resource = self._store.open_streaming_resource(part.key)
        if resource.status is not ResourceStatus.COMPLETE:
            resource.close()
            raise SegmentInvalid("it vanished from the cache; open the session again", url=part.url)
        return resource

    def _leave(self, part: Part) -> None:
        part.users -= 1
        if part.users or part.resource is None:
            return
        self._idle[part] = None
        self._close_idle()

    def _close_idle(self) -> None:
        while self._idle and (self._closed or len(self._idle) > _OPEN_PARTS):
            oldest, _ = self._idle.popitem(last=False)
            if oldest.resource is not None:
                oldest.resource.close()
                oldest.resource = None

    def _limit(self) -> int:
        """The bytes that may be laid; blocks of a cipher make it a little more than asked for."""
        furthest = max((place.position for place in self._places), default=0)
        wanted = max((place.wanted for place in self._places), default=0)
        return max(furthest + self._look_ahead, wanted + 2 * BLOCK if wanted else 0)

    def _check(self, place: Place) -> None:
        if self._closed or place.closed:
            raise Cancelled("the session" if self._closed else "the reader")
        if place.interrupted:
            raise Interrupted("the reader")

    def _wait(self, place: Place, deadline: float | None) -> None:
        if self._error is not None:
            raise self._error
        left = None if deadline is None else deadline - monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("the bytes did not arrive in time")
        interruptions = place.interruptions
        self._changed.wait(left)
        if place.interruptions != interruptions and not (self._closed or place.closed):
            raise Interrupted("the reader")
