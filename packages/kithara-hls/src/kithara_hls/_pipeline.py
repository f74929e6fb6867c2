"""What is fetched next, and from which variant: the session's one place of decisions."""

import asyncio
import contextlib
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from kithara_net import NetError
from kithara_stream import SeekPoint

from ._choice import Choice
from ._delivery import Delivery
from ._downloads import Downloads
from ._errors import HlsError
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
from ._inits import InitSections
from ._look_ahead import LookAhead
from ._options import HlsOptions
from ._steps import Position, Step
from ._table import PartTable
from ._track import Track
from ._variants import EXCLUDED_FOR, Variants

__all__ = ("Pipeline",)

_NOTHING: Final = Fraction(-1)  # seconds: before everything


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
        self._ahead = LookAhead(table, self.delivery, choice, options)
        self.gate = self._ahead.gate
        self._downloads = downloads
        self._table = table
        self._variants = variants
        self._choice = choice
        self._options = options
        self._publish = publish
        self._woken = asyncio.Event()
        self._ticks: set[asyncio.Event] = set()
        self._next: Position | None = None
        self._opened_with = 0
        self._variant: int | None = None
        self._applied: int | None = None
        self._failed_over = False
        self._loading: asyncio.Task[Track] | None = None
        self._loading_for = 0
        self._chosen: int | None = None  # until its track is loaded
        self._dead_end: Exception | None = None
        self._level = -1.0
        self._end: Position
        self._forced = False
        self._left_out = _NOTHING  # where what was given up for lost ends: nobody goes back to it
        self._inits = InitSections(downloads)
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
        self._ahead.unbounded = True
        self.wake()

    def stop(self, error: Exception) -> None:
        """Nothing is done any more; who waits for the end gets ``error``."""
        self.error = error
        self._table.fail(error)
        self.over.set()
        for ticked in self._ticks:
            ticked.set()

    def select(self, index: int | None) -> None:
        """Take what follows from a variant; None lets the rule choose. Raises VariantMissing."""
        if index is not None:
            self._variants.require(index)
        self._choice.fixed = index
        self._chosen = None
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
        probe = self._inits.probe(track, index, self.variant)
        self._aim(Position(track=track, index=index))
        try:
            if probe is not None:
                await self._until(lambda: probe[1].stamped or probe[1].error is not None)
        finally:
            if probe is not None:
                self._inits.learn(track, *probe)
        while True:
            await self._until(lambda: self.delivery.first_is_timed or self.over.is_set())
            step = self.delivery.first
            if step is not None and step.timed:
                begins, silence = step.position.start, step.position.silence
                if begins - silence <= wanted or 0 in (index, step.index):
                    break
                track, before = step.track, index if silence else step.index
                index = min(track.times.find(wanted), before - 1)
            elif self.error is None and index > 0:
                index -= 1  # nothing is left of the one behind
            else:
                raise self.error or HlsError("no segment can be had", url=self._variants.url)
            self._aim(Position(track=track, index=index))
        self._publish(TimeSought(seconds=seconds, landed=float(begins), index=step.index))
        return SeekPoint(offset=step.offset, seconds=begins)

    def _aim(self, position: Position) -> None:
        """Drop what is not wanted any more, and begin at once with what is."""
        old = self.delivery.leave()
        self._table.go_on()
        self._dead_end = self.error = None
        self._left_out = _NOTHING
        self.over.clear()
        self.moved = True
        self._next, self._ahead.from_time = position, float(position.start)
        self._forced = True
        self._choice.on_flush()
        self._chosen = None
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
        self._ahead.look_again()
        self._tell_progress()
        idle = self._next is None and not self.delivery.planned and not self.delivery.running()
        if idle and not self.over.is_set():
            self._finish()

    def _finish(self) -> None:
        if self._dead_end is not None:
            self.error = self._dead_end
            self._publish(SessionFailed(error=self._dead_end))
            self._table.fail(self._dead_end)
        else:
            self._table.end_here(self._end.silence)
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
        if not (self._forced or self._ahead.has_room(position)):
            return False
        try:
            variant = self._chosen if self._chosen is not None else self._choose(position)
        except HlsError as error:
            self._end_at(error)
            return True
        track = self._variants.track(variant)
        if track is None:
            self._chosen = variant
            self._load(variant)
            return False
        overlap = self.delivery.goes_on and self._variants.may_leave_hole(position.track, track)
        place = position.within(track, overlap=overlap)
        # Where that goes back the next one too is taken there, or a rule could go back for ever.
        self._chosen = variant if overlap and place != position.within(track) else None
        self._plan(place.behind(self._left_out), variant)
        return True

    def _choose(self, position: Position) -> int:
        times = position.track.times
        self._downloads.tell(self._downloads.meter.so_far(asyncio.get_running_loop().time()))
        return self._choice.choose(
            current=self._variant,
            segment=float(times.duration_of(position.index)),
            remaining=times.duration - float(position.start),
            buffer=self.delivery.buffered(),
            playing=self.delivery.playing,
        )

    def _plan(self, position: Position, variant: int) -> None:
        """Begin the segment at ``position``."""
        self._forced = False
        track, index = position.track, position.index
        if index >= len(track):
            self._next, self._end = None, position
            return
        self._tell_variant(variant, index)
        if track.playlist.segments[index].gap:
            step = Step(variant=variant, position=position)
            step.failure = step.lost(None)
        else:
            init = self._inits.get(track, index, variant)
            segment = self._downloads.get(track.segment(index), track, variant, init)
            step = Step(variant=variant, position=position, init=init, segment=segment)
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

    def _load(self, variant: int) -> None:
        if self._loading is None:
            self._loading_for = variant
            self._loading = asyncio.create_task(self._variants.load_track(variant))
            self._loading.add_done_callback(lambda _: self.wake())

    def _take_loaded(self) -> bool:
        loading = self._loading
        if loading is None or not loading.done():
            return False
        self._loading = None
        error = None if loading.cancelled() else loading.exception()
        self._chosen = self._chosen if error is None else None
        if error is None or self._next is None:
            return True
        if self._choice.may_avoid(error) and self._choice.leave(self._loading_for, self._next):
            self._fail_over(self._loading_for, self._next, error)
        else:
            self._end_at(error)
        return True

    def _ask_to_abandon(self) -> None:
        """Give up the download that is needed first, where another variant is better now."""
        answer = self._choice.abandon(self.delivery, playing=self.delivery.playing)
        if answer is None:
            return
        step, self._chosen = answer
        self._next, self._forced = self.delivery.take_away(step), True
        self.wake()

    # -- what cannot be had --------------------------------------------------------------------

    def _recover(self) -> bool:
        for step in self.delivery:
            error = step.error
            if error is not None:
                self._recover_from(step, error)
                return True
        return False

    def _recover_from(self, step: Step, error: Exception) -> None:
        self._chosen = None
        if self._choice.may_avoid(error) and self._choice.leave(step.variant, step.position):
            self._fail_over(step.variant, self.delivery.take_away(step), error)
        elif not isinstance(error, NetError | HlsError):
            self._end_at(error, step)
        elif self._options.lost == "silence":
            step.track.times.lose(step.index)
            lost, again = step.lost(error), self.delivery.take_away(step)
            self.delivery.tells_time = True  # what comes first may be what is lost
            at, length = lost.start, lost.duration
            self._publish(SegmentSkipped(index=lost.index, start=at, duration=length, error=lost))
            self._variants.forgive()
            self._next, self._dead_end = again.left_out(), None
            self._left_out = max(self._left_out, self._next.start)
        else:
            step.track.times.lose(step.index)
            self._end_at(step.lost(error) if isinstance(error, NetError) else error, step)

    def _fail_over(self, variant: int, position: Position, error: Exception) -> None:
        self._publish(
            FailedOver(
                variant=variant, index=position.index, error=error, excluded_for=EXCLUDED_FOR
            )
        )
        self._next, self._failed_over = position, True
        self._dead_end = None  # that is behind, and met again

    def _end_at(self, error: BaseException, step: Step | None = None) -> None:
        """Nothing follows what was planned before ``step``, nor in its midst if it is laid."""
        assert isinstance(error, Exception)
        self._dead_end = error
        self._end = self._next or step.position if step is not None else self._next or self._end
        self._next = None
        if step is None:
            return
        self.delivery.end_at(step)
