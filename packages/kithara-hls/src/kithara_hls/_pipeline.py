"""What is fetched next, and from which variant: the session's one place of decisions."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from fractions import Fraction
from typing import Final

from kithara_assets import ResourceKey
from kithara_net import NetError
from kithara_stream import SeekPoint

from ._abr_protocol import DownloadProgress
from ._choice import Choice
from ._delivery import Delivery
from ._download import Download, Downloads
from ._errors import HlsError, KeyInvalid, SegmentInvalid, SegmentLost
from ._events import (
    BufferLevel,
    FailedOver,
    SegmentSkipped,
    SessionEnded,
    SessionFailed,
    TimeSought,
    VariantApplied,
    VariantSelected,
)
from ._options import HlsOptions
from ._steps import Position, Step
from ._table import PartTable
from ._track import Track
from ._variants import EXCLUDED_FOR, Variants

__all__ = ("Pipeline",)

_BLOCKS: Final = 32  # bytes: what a cipher needs beyond those that are waited for


class Pipeline:
    """Plans segments one by one and has them fetched and laid. Belongs to the event loop.

    Everything that happens calls `wake`; `run` then does whatever can be done (`_tick`), none of
    which waits. So a seek or a switch changes the state between two steps and never within one.
    """

    def __init__(
        self,
        *,
        downloads: Downloads,
        table: PartTable,
        variants: Variants,
        choice: Choice,
        options: HlsOptions,
        publish: Callable[..., None],
    ) -> None:
        self.delivery = Delivery(table, downloads, variants)
        self._downloads = downloads
        self._table = table
        self._variants = variants
        self._choice = choice
        self._options = options
        self._publish = publish
        self._woken = asyncio.Event()
        self._held = asyncio.Event()
        self._ticks: set[asyncio.Event] = set()
        self._next: Position | None = None
        self._began_at = Fraction(0)
        self._opened_with = 0
        self._variant: int | None = None
        self._applied: int | None = None
        self._failed_over = False
        self._loading: asyncio.Task[Track] | None = None
        self._loading_for = 0
        self._unbounded = False
        self._dead_end: Exception | None = None
        self._level = -1.0
        self._end: Position
        self._forced = False
        self._probed: set[int] = set()
        self._inits: dict[ResourceKey, Download] = {}
        self.error: Exception | None = None
        self.over = asyncio.Event()
        self.moved = False

    @property
    def variant(self) -> int:
        """The variant of the segment that was decided on last."""
        return self._opened_with if self._variant is None else self._variant

    # -- what others say -----------------------------------------------------------------------

    def begin(self, track: Track, variant: int) -> None:
        """Start with the first segment of ``track``, that of ``variant``."""
        self._opened_with = variant
        self._next = Position(track=track, index=0)
        self.wake()

    def wake(self) -> None:
        """Something happened."""
        self._woken.set()

    def unbound(self) -> None:
        """Fetch everything, whether it is read or not."""
        self._unbounded = True
        self.wake()

    def stop(self, error: Exception) -> None:
        """Nothing is done any more; who waits for the end gets ``error``."""
        self.error = error
        self._table.fail(error)
        self.over.set()
        for ticked in self._ticks:
            ticked.set()

    def gate(self, download: Download) -> Awaitable[None] | None:
        """Hold a body back while its bytes are too far ahead of what anybody reads.

        What was begun may go on for another look-ahead: servers drop requests that are held back
        for long, and most parts end before that. Its head is let through: it tells the time.
        """
        return None if self._may_go_on(download) else self._wait_to_go_on(download)

    async def _wait_to_go_on(self, download: Download) -> None:
        while not self._may_go_on(download):
            self._held.clear()
            await self._held.wait()

    def _may_go_on(self, download: Download) -> bool:
        start = self.delivery.offset_of(download)
        if self._unbounded or not download.stamped or start is None:
            return True
        at = start + download.received
        furthest = self._table.furthest() + 2 * self._options.look_ahead
        return at < max(furthest, self._table.wanted() + _BLOCKS if self._table.wanted() else 0)

    def select(self, index: int | None) -> None:
        """Take what follows from a variant; None lets the rule choose. Raises VariantMissing."""
        if index is not None:
            self._variants.require(index)
        self._choice.fixed = index
        if index is not None and index != self._variant:
            again = self.delivery.take_back_unreached()
            if again is not None:
                self._next = again
                self._table.go_on()
                self.over.clear()
        self.wake()

    async def seek(self, seconds: float) -> SeekPoint:
        """Go on with the segment that holds ``seconds``; answer where its span begins.

        Past the end that is the last one. Raises the error that ends the session.
        """
        wanted = Fraction(max(0.0, seconds))
        track = (self._next or self._end).track
        index = min(track.times.find(wanted), len(track) - 1)
        probe = self._probe(track, index)
        self._aim(Position(track=track, index=index))
        try:
            if probe is not None:
                await self._until(lambda: probe[1].stamped or probe[1].error is not None)
                if probe[1].stamp is not None:
                    track.times.note(probe[0], probe[1].stamp)
        finally:
            if probe is not None:
                self._downloads.release(probe[1])
        while True:
            await self._until(lambda: self.delivery.first_is_timed or self.over.is_set())
            step = self.delivery.first
            if step is None or not step.timed:
                raise self.error or HlsError("nothing follows", url=self._variants.url)
            begins = step.track.times.start_of(step.index)
            if begins <= wanted or step.index == 0:
                break
            index = min(step.track.times.find(wanted), step.index - 1)
            self._aim(Position(track=step.track, index=index))
        self._publish(TimeSought(seconds=seconds, landed=float(begins), index=step.index))
        return SeekPoint(offset=step.offset, seconds=begins)

    def _probe(self, track: Track, index: int) -> tuple[int, Download] | None:
        """Ask for the first segment of a media clock, if where that begins is not known."""
        first = track.times.first_of_run(index)
        if first in (index, *self._probed) or track.times.knows_origin(index):
            return None
        self._probed.add(first)
        return first, self._downloads.get(track.segment(first), track, self._init(track, first))

    def _aim(self, position: Position) -> None:
        """Drop what is not wanted any more, and begin at once with what is."""
        old = self.delivery.leave()
        self._table.go_on()
        self._dead_end = self.error = None
        self.over.clear()
        self.moved = True
        self._next, self._began_at = position, position.start
        self._forced = True
        self._choice.on_flush()
        while self._plan_next():
            pass
        self.delivery.release(old)  # what is wanted again was taken over by now
        self.wake()

    async def _until(self, holds: Callable[[], bool]) -> None:
        ticked = asyncio.Event()
        self._ticks.add(ticked)
        try:
            while not holds():
                ticked.clear()
                await ticked.wait()
        finally:
            self._ticks.discard(ticked)

    # -- running -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                self._woken.clear()
                self._tick()
                for ticked in self._ticks:
                    ticked.set()
                asks = self._choice.patience if self.delivery.running() else None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(asks):
                        await self._woken.wait()
        finally:
            self._tell_progress()
            if self._loading is not None:
                self._loading.cancel()
                await asyncio.wait([self._loading])

    def _tick(self) -> None:
        while (
            self._take_loaded()
            or self.delivery.settle()
            or self._recover()
            or self.delivery.lay_next()
            or self._plan_next()
        ):
            pass
        self._ask_to_abandon()
        self._held.set()
        self._tell_progress()
        idle = self._next is None and not self.delivery.planned and not self.delivery.running()
        if idle and not self.over.is_set():
            self._finish()

    def _finish(self) -> None:
        if self._dead_end is not None:
            self.error = self._dead_end
            self._table.fail(self._dead_end)
            self._publish(SessionFailed(error=self._dead_end))
        else:
            self._table.end_here()
            self._publish(SessionEnded(size=self._table.end or 0))
        self.over.set()

    def _tell_progress(self) -> None:
        for heard in self._table.newly_heard():
            if heard.index is not None and heard.variant != self._applied:
                self._applied = heard.variant
                variant = self._variants.all[heard.variant]
                self._publish(VariantApplied(variant=variant, index=heard.index))
        level = self.delivery.buffered()
        if abs(level - self._level) >= 1:
            self._level = level
            event = BufferLevel(seconds=level, bytes=self.delivery.ahead())
            self._publish(event, droppable=True)

    # -- planning ------------------------------------------------------------------------------

    def _plan_next(self) -> bool:
        position = self._next
        if position is None or self._loading is not None:
            return False
        if position.index >= len(position.track):
            self._next, self._end = None, position
            return True
        if not (self._forced or self._has_room(position)):
            return False
        try:
            variant = self._choose(position)
        except HlsError as error:
            self._end_at(error)
            return True
        track = self._variants.track(variant)
        if track is None:
            self._loading_for = variant
            self._loading = asyncio.create_task(self._variants.load_track(variant))
            self._loading.add_done_callback(lambda _: self.wake())
            return False
        self._plan(position.within(track), variant)
        return True

    def _choose(self, position: Position) -> int:
        times = position.track.times
        return self._choice.choose(
            current=self._variant,
            segment=float(times.duration_of(position.index)),
            remaining=times.duration - float(position.start),
            buffer=self.delivery.buffered(),
            playing=self._table.furthest() > 0,
        )

    def _plan(self, position: Position, variant: int) -> None:
        """Begin the segment at ``position``."""
        self._forced = False
        track, index = position.track, position.index
        if index >= len(track):
            self._next, self._end = None, position
            return
        self._tell_variant(variant, index)
        step = Step(variant=variant, position=position)
        if track.playlist.segments[index].gap:
            step.failure = self._lost(step, None)
        else:
            step.init = self._init(track, index)
            step.segment = self._downloads.get(track.segment(index), track, step.init)
        self.delivery.planned.append(step)
        self._next = Position(track=track, index=index + 1)

    def _tell_variant(self, variant: int, index: int) -> None:
        if variant == self._variant:
            return
        self._publish(
            VariantSelected(
                variant=self._variants.all[variant],
                rendition=self._variants.rendition(variant),
                reason="failover" if self._failed_over else self._choice.reason,
                index=index,
                decision=self._choice.decision,
            )
        )
        self._variant, self._failed_over = variant, False

    def _init(self, track: Track, index: int) -> Download | None:
        """The init section of a segment; kept, since the next segment wants it too."""
        planned = track.init(index)
        if planned is None:
            return None
        key = track.key_of(planned)
        kept = self._inits.get(key)
        if kept is None or kept.error is not None:
            kept = self._inits[key] = self._downloads.get(planned, track)
        return self._downloads.get(kept.planned, track)

    def _take_loaded(self) -> bool:
        loading = self._loading
        if loading is None or not loading.done():
            return False
        self._loading = None
        error = None if loading.cancelled() else loading.exception()
        if error is not None and self._next is not None:
            if isinstance(error, NetError | HlsError):
                self._fail_over(self._loading_for, self._next, error)
            else:
                self._end_at(error)
        return True

    # -- how far ahead -------------------------------------------------------------------------

    def _has_room(self, position: Position) -> bool:
        """Whether one more segment may be begun."""
        running = [d for d in self.delivery.running() if d.planned.index is not None]
        if len(running) >= self._options.parallel:
            return False
        if self._unbounded:
            return True
        end = self._table.end
        if (
            end is not None
            and not (running or self.delivery.planned)
            and self._table.wanted() > end
        ):
            return True
        if any(d.expected is None for d in running):
            return False
        if self.delivery.ahead() >= self._options.look_ahead:
            return False
        duration = position.track.times.duration_of(position.index)
        ahead = position.start - self._heard_time()
        if ahead > 0 and ahead + duration > self._options.abr.buffer_goal:
            return False
        return not running or self._may_share(running, float(duration))

    def _may_share(self, running: list[Download], duration: float) -> bool:
        """Whether one more request does not keep waiting what is needed first."""
        if not running[-1].begun:
            return False
        if self.delivery.buffered() >= duration:
            return True
        left = sum(max(0, (d.expected or 0) - d.received) for d in running)
        return self._choice.seconds_for(left) <= self._choice.latency

    def _heard_time(self) -> Fraction:
        found = self._table.heard_at(self._table.furthest())
        return max(found[1], self._began_at) if found is not None else self._began_at

    def _ask_to_abandon(self) -> None:
        """Give up a download that nobody has reached where another variant is better now."""
        running = [d for d in self.delivery.running() if d.planned.index is not None]
        step = next((s for s in self.delivery if running and s.segment is running[0]), None)
        if step is None or self._choice.patience is None:
            return
        download, times = running[0], step.track.times
        if download.requested_at is None:
            return
        progress = DownloadProgress(
            variant=step.variant,
            size=download.wire_size,
            received=download.received,
            elapsed=asyncio.get_running_loop().time() - download.requested_at,
            ttfb=download.ttfb,
        )
        instead = self._choice.abandon(
            variant=step.variant,
            segment=download.seconds,
            remaining=times.duration - float(step.position.start),
            buffer=self.delivery.buffered(),
            playing=self._table.furthest() > 0,
            progress=progress,
        )
        track = self._variants.track(instead) if instead is not None else None
        if instead is None or track is None or not self.delivery.give_back(step):
            return
        self._plan(step.position.within(track), instead)

    # -- what cannot be had --------------------------------------------------------------------

    def _recover(self) -> bool:
        if self._dead_end is not None:
            return False
        for step in self.delivery:
            error = step.error
            if error is not None:
                self._recover_from(step, error)
                return True
        return False

    def _recover_from(self, step: Step, error: Exception) -> None:
        if not isinstance(error, NetError | SegmentInvalid | KeyInvalid | SegmentLost):
            self._end_at(error, step)
        elif self._others(step.variant):
            self.delivery.take_away(step)
            self._fail_over(step.variant, step.position, error)
        elif self._options.lost == "silence":
            lost = self._lost(step, error)
            self.delivery.take_away(step)
            self.delivery.begin_timed_span()
            start = float(step.position.start)
            self._publish(
                SegmentSkipped(index=step.index, start=start, duration=lost.duration, error=lost)
            )
            self._variants.forgive()
            self._next = Position(track=step.track, index=step.index + 1)
        else:
            self._end_at(self._lost(step, error) if isinstance(error, NetError) else error, step)

    def _fail_over(self, variant: int, position: Position, error: Exception) -> None:
        others = self._others(variant)
        self._variants.exclude(variant)
        if not others:
            self._end_at(error)
            return
        self._publish(
            FailedOver(
                variant=variant, index=position.index, error=error, excluded_for=EXCLUDED_FOR
            )
        )
        self._next, self._failed_over = position, True

    def _others(self, variant: int) -> list[int]:
        """The variants that are left instead of one, and have other segments."""
        name = self._variants.track_name(variant)
        left = self._choice.allowed(self._variants.alternates(variant))
        return [other for other in left if self._variants.track_name(other) != name]

    def _lost(self, step: Step, cause: Exception | None) -> SegmentLost:
        if isinstance(cause, SegmentLost):
            return cause
        segment = step.track.playlist.segments[step.index]
        lost = SegmentLost(
            url=segment.url,
            index=step.index,
            start=float(step.position.start),
            duration=segment.duration,
            cause=cause,
        )
        lost.__cause__ = cause
        return lost

    def _end_at(self, error: BaseException, step: Step | None = None) -> None:
        """Nothing follows what was planned before ``step``, nor in its midst if it is laid."""
        assert isinstance(error, Exception)
        self._dead_end = error
        self._end = self._next or step.position if step is not None else self._next or self._end
        self._next = None
        if step is None:
            return
        if step in self.delivery.planned:
            self.delivery.drop_from(step)
        else:
            while self.delivery.planned:
                self.delivery.drop_from(self.delivery.planned[0])
            self.delivery.give_up_laid(step)
