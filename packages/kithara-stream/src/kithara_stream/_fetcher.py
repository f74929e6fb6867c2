"""Pulls the bytes that readers need from an origin into a sink."""

import asyncio
import contextlib
import math
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ._coverage import Coverage
from ._cursor import Cursor, TransferStats
from ._errors import BodyEnded, Cancelled
from ._link import Link
from ._protocols import Origin, OriginHead, Sink
from ._tally import Tally
from ._transfer import Transfer
from ._turns import turn

LOOK_AHEAD = 8 * 1024 * 1024
_AHEAD_WHEN_PAUSED = 64 * 1024
_MOST_TRANSFERS = 4
HOLD_SECONDS = 60.0  # many servers wait no longer themselves
_STEP = 256 * 1024  # a minute's bytes at 35 kbit/s


class Fetcher:
    """Fetches what readers miss first (newest reader first), then read-ahead, then all if asked.

    A sink that is complete has nothing to fetch: make no fetcher for it.

    One request follows a reader as long as reading on is cheaper than asking anew (a skip of at
    most `read_through` bytes; None measures that from the link); a read elsewhere opens a second
    one and leaves the first where it is, so that a look at the tail does not cost the head. A
    request that is `look_ahead` bytes ahead of its readers is not read from any more: the socket
    is held back, and goes on little by little with a slow reader, often enough for servers to keep
    it. After `hold` seconds without a byte it is given up; the rest is asked for once half of the
    read-ahead is used up. Until the first reader comes, one is assumed at the start.

    Belongs to the running event loop; an async context manager that cancels what it started.
    `on_progress` is called on the loop with the number of bytes received so far, `on_filled` with
    a range that no reader had asked for.
    """

    def __init__(
        self,
        origin: Origin,
        sink: Sink,
        *,
        look_ahead: int = LOOK_AHEAD,
        read_through: int | None = None,
        hold: float = HOLD_SECONDS,
        on_progress: Callable[[int], None] | None = None,
        on_filled: Callable[[int, int], None] | None = None,
    ) -> None:
        self._origin = origin
        self._sink = sink
        self._look_ahead = look_ahead
        self._fixed_read_through = read_through
        self._link = Link()
        self._hold = hold
        self._on_progress = on_progress
        self._on_filled = on_filled
        self._tally = Tally()
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._lock = threading.Lock()
        self._cursors: list[Cursor] | None = None
        self._wake_sent = False
        self._transfers: list[Transfer] = []
        self._coverage = Coverage(sink, self._transfers)
        self._planner: asyncio.Task[None] | None = None
        self._head: asyncio.Future[OriginHead] = self._loop.create_future()
        self._ranges_work = True
        self._whole = False
        self._paused = False
        self._crowded = False
        self._closed = False

    @property
    def stats(self) -> TransferStats:
        """Requests and bytes so far."""
        return self._tally.stats()

    async def start(self) -> OriginHead:
        """Send the first request, for the start of the resource; answer its head.

        Reading ahead from the start begins at once. Raises what the request raised.
        """
        self._planner = self._loop.create_task(self._run())
        self._planner.add_done_callback(self._planner_ended)
        return await asyncio.shield(self._head)

    def cursor(self) -> Cursor:
        """A place for one more reader, at the start. Any thread may call."""
        cursor = Cursor(self._wake, self._leave)
        with self._lock:
            self._cursors = [*(self._cursors or []), cursor]
        return cursor

    def fetch_whole(self) -> None:
        """Fetch everything that is missing, whether a reader needs it or not. On the loop only."""
        self._whole = True
        self._changed.set()

    def pause(self) -> None:
        """Fetch what readers wait for, and hardly more, until `resume`. On the loop only."""
        self._paused = True
        self._changed.set()

    def resume(self) -> None:
        """Read ahead again, and fetch all if that was asked for. On the loop only."""
        self._paused = False
        self._changed.set()

    async def ended(self) -> Exception | None:
        """Wait until fetching ends; answer why: None when complete, `Cancelled` when closed."""
        if self._planner is None:
            raise RuntimeError("the fetcher was not started")
        await asyncio.wait([self._planner])
        if self._planner.cancelled():
            return Cancelled("the fetcher")
        error = self._planner.exception()
        if error is None or isinstance(error, Exception):
            return error
        raise error

    async def wait_complete(self) -> None:
        """Fetch everything and wait until it is committed.

        Raises what went wrong, or `Cancelled` if the fetcher was closed.
        """
        self.fetch_whole()
        error = await self.ended()
        if error is not None:
            raise error

    async def aclose(self) -> None:
        """Cancel all requests and wait until they are gone. Idempotent."""
        if self._planner is not None:
            if not self._closed:
                self._closed = True
                self._planner.cancel()
            await asyncio.wait([self._planner])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    # The planner: one task that looks at the readers and keeps the right requests going.

    async def _run(self) -> None:
        try:
            if not await self._finished():
                # However far ahead the bytes of an earlier run reach: this one has to be answered.
                self._begin(self._first_gap())
            while not await self._finished():
                self._plan()
                await self._changed.wait()
                self._changed.clear()
        finally:
            tasks = [t.task for t in self._transfers if t.task is not None]
            for transfer in self._transfers:
                transfer.cancel()
            if tasks:
                await asyncio.wait(tasks)

    def _planner_ended(self, planner: asyncio.Task[None]) -> None:
        error = Cancelled("the fetcher") if planner.cancelled() else planner.exception()
        if isinstance(error, Exception):
            self._sink.fail(error)
        if not self._head.done():
            self._head.set_exception(error or RuntimeError("the sink is complete already"))
            self._head.exception()  # start() may have been cancelled: nobody else looks

    async def _finished(self) -> bool:
        """Take leave of requests that ended; commit when nothing is missing."""
        ended = [t for t in self._transfers if t.task is not None and t.task.done()]
        if ended:
            await self._sink.flush()
        for transfer in ended:
            self._transfers.remove(transfer)
            self._judge(transfer)
        length = self._sink.length
        if length is None or self._sink.next_hole(0, length) is not None:
            return False
        await self._sink.commit(length)
        return True

    def _judge(self, transfer: Transfer) -> None:
        assert transfer.task is not None
        filled = transfer.filling_from
        if filled is not None and filled < transfer.frontier and self._on_filled is not None:
            self._on_filled(filled, transfer.frontier)
        if transfer.task.cancelled():
            return
        error = transfer.task.exception()
        if error is not None:
            # Servers drop a request that is held back for long, and one that nobody needs any more
            # may break in silence: what is missing is asked for anew, and then errors count.
            if not transfer.idle and not transfer.was_held:
                raise error
            self._tally.retries += 1
        elif transfer.ended and self._sink.length is None:
            self._sink.set_length(transfer.frontier)
        elif transfer.ended and not transfer.leaving:
            # A short one that brought something is asked on, unless it would begin anew.
            brought = transfer.frontier > transfer.start and self._ranges_work
            if transfer.frontier != self._coverage.end(transfer) and not brought:
                raise BodyEnded(transfer.frontier, self._sink.length)

    def _plan(self) -> None:
        length = self._sink.length
        look_ahead = self._ahead
        step = max(1, min(look_ahead // 8, _STEP))
        self._crowded = False
        for cursor in self._readers():
            position = cursor.position
            cursor.planned_from, cursor.planned_to = position - step, position + step
            gap = self._coverage.gap(position)
            # What was given up while it stood still is asked for once half of it is read.
            if gap - position >= max(1, look_ahead // 2) or self._under_way(gap):
                continue
            if length is not None and gap >= length:
                continue
            if self._has_room() or (gap == position and self._make_room()):
                self._begin(gap)
            elif gap == position:
                self._crowded = True
        idle = not any(self._serves(transfer) for transfer in self._alive)
        missing = self._coverage.missing()
        if not self._paused and (self._whole or (idle and 0 < missing <= self._look_ahead)):
            self._fill(self._coverage.gap(0))
        for transfer in self._transfers:
            transfer.allow(self._limit(transfer), step)

    def _first_gap(self) -> int:
        """Where the first request begins: at what the newest reader lacks, else at the start."""
        newest = next((cursor.position for cursor in self._readers()), 0)
        gap = self._coverage.gap(newest)
        length = self._sink.length
        return gap if length is None or gap < length else self._coverage.gap(0)

    def _readers(self) -> list[Cursor]:
        """The readers, newest first."""
        with self._lock:
            if self._cursors is None:
                return [Cursor(self._wake, self._leave)]
            return self._cursors[::-1]

    @property
    def _ahead(self) -> int:
        return min(self._look_ahead, _AHEAD_WHEN_PAUSED) if self._paused else self._look_ahead

    @property
    def _read_through(self) -> int:
        if self._fixed_read_through is not None:
            return self._fixed_read_through
        return self._link.request_in_bytes

    @property
    def _reach(self) -> float:
        """How far ahead of a request a byte may be and still be waited for."""
        return self._read_through if self._ranges_work else math.inf

    def _under_way(self, offset: int) -> bool:
        return any(transfer.reaches(offset, self._reach) for transfer in self._alive)

    @property
    def _alive(self) -> list[Transfer]:
        return [transfer for transfer in self._transfers if not transfer.leaving]

    def _limit(self, transfer: Transfer) -> float:
        """How far the readers near a transfer want it to go; its frontier if there is none."""
        if transfer.filling_from is not None and not self._paused:
            return math.inf
        edge = transfer.frontier + self._reach
        near = [cursor.position for cursor in self._readers() if cursor.position <= edge]
        return max(near) + self._ahead if near else transfer.frontier

    def _serves(self, transfer: Transfer) -> bool:
        return self._limit(transfer) > transfer.frontier

    def _fill(self, hole: int) -> None:
        """Fill the first hole, by a request that comes to it or by one more."""
        if hole == self._sink.length or any(t.filling_from is not None for t in self._alive):
            return
        ready = [transfer for transfer in self._alive if transfer.reaches(hole, self._reach)]
        if ready:
            ready[0].filling_from = hole
        elif self._has_room() or self._make_room(only_idle=True):
            self._begin(hole).filling_from = hole
        else:
            self._crowded = True

    def _has_room(self) -> bool:
        return len(self._alive) < min(len(self._readers()) + 1, _MOST_TRANSFERS)

    def _make_room(self, *, only_idle: bool = False) -> bool:
        """Give up a request that nobody waits for, else one that has brought what it cost."""
        alive = self._alive
        victims = [t for t in alive if not self._serves(t)]
        if not victims and not only_idle:
            victims = [t for t in alive if t.frontier - t.start >= self._read_through]
        if victims:
            victims[0].cancel()
        return bool(victims)

    def _begin(self, start: int) -> Transfer:
        if not self._ranges_work:
            start = 0
        stop = self._coverage.hole_end(start, self._read_through) if self._ranges_work else None
        transfer = Transfer(start, stop)
        transfer.task = self._loop.create_task(self._pull(transfer))
        transfer.task.add_done_callback(lambda _: self._changed.set())
        self._transfers.append(transfer)
        return transfer

    async def _pull(self, transfer: Transfer) -> None:
        self._tally.requests += 1
        time = self._loop.time
        asked = time()
        async with self._origin.open(transfer.start, transfer.stop) as body:
            self._link.answered(time() - asked)
            # The first answer may begin anew because what is here is of another version.
            ignored = body.head.start != transfer.start and self._head.done()
            transfer.answer(body.head)
            self._learn(body.head, ignored=ignored)
            if not self._ranges_work and any(
                other is not transfer and other.answered and other.start == 0
                for other in self._alive
            ):
                return  # that one brings all that this one could
            self._tally.answered(time() - asked)
            waiting: float | None = None
            async for chunk in body:
                # What was there before anybody waited for it tells nothing about the link.
                if waiting is not None:
                    self._link.received(len(chunk), time() - waiting)
                await turn()
                await self._sink.write_at(transfer.frontier, chunk)
                transfer.frontier += len(chunk)
                self._tally.received += len(chunk)
                if self._on_progress is not None:
                    self._on_progress(self._tally.received)
                if self._crowded:
                    self._changed.set()
                if self._ranges_work and self._coverage.does_without(transfer, self._read_through):
                    return
                length = self._sink.length
                patience = self._hold if self._ranges_work and length is not None else None
                was_held = await transfer.until_wanted(length, patience)
                if transfer.leaving:
                    return
                waiting = None if was_held else time()
            transfer.ended = True

    def _learn(self, head: OriginHead, *, ignored: bool) -> None:
        if head.total is not None:
            self._sink.set_length(head.total)
        # Without a length nothing tells which ranges there are.
        told = head.accepts_ranges and self._sink.length is not None
        self._ranges_work = self._ranges_work and told and not ignored
        if not self._head.done():
            self._head.set_result(head)
        self._changed.set()

    # Called from any thread.

    def _wake(self) -> None:
        with self._lock:
            if self._wake_sent:
                return
            self._wake_sent = True
        # A closed loop has no planner left that could be woken.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._woken)

    def _woken(self) -> None:
        with self._lock:
            self._wake_sent = False
        self._changed.set()

    def _leave(self, cursor: Cursor) -> None:
        with self._lock:
            self._cursors = [c for c in self._cursors or [] if c is not cursor]
        self._wake()
