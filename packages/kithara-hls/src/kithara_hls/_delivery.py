"""The segments that were decided on, in the order in which readers get them."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from ._download import Download
from ._downloads import Downloads
from ._parts import Heard, Part
from ._steps import Position, Step
from ._table import PartTable
from ._variants import Variants

__all__ = ("Delivery",)


class Delivery:
    """Lays what is fetched into the byte space, and takes back what nobody has reached.

    ``planned`` are the steps that are not laid yet, or not all of them; ``laid`` those whose
    bytes readers may still be waiting for. Belongs to the event loop.
    """

    def __init__(self, table: PartTable, downloads: Downloads, variants: Variants) -> None:
        self.planned: deque[Step] = deque()
        self.laid: list[Step] = []
        self.tells_time = False
        self.first: Step | None = None
        self._table = table
        self._downloads = downloads
        self._variants = variants
        self._last: Step | None = None
        self._fresh_span = True
        self._spans = 0

    def __iter__(self) -> Iterator[Step]:
        return iter((*self.laid, *self.planned))

    def running(self) -> list[Download]:
        """What is being fetched, in the order in which it is needed."""
        return [d for step in self for d in step.downloads if d.running]

    @property
    def first_is_timed(self) -> bool:
        """Whether the first step since `leave` is laid, and when it is heard is known."""
        return self.first is not None and self.first.timed

    @property
    def goes_on(self) -> bool:
        """Whether what comes next follows something, since the start or the last seek."""
        return self.first is not None or bool(self.planned)

    @property
    def playing(self) -> bool:
        """Whether something was read since the start or the last seek."""
        return self.first is not None and self._table.furthest() > self.first.offset

    @property
    def is_under_way(self) -> bool:
        """Whether the first step since the start or the last seek is there as a whole."""
        return self.first is not None and self.first.complete

    # -- what became known ---------------------------------------------------------------------

    def settle(self) -> bool:
        """Tell the table sizes and times; True if that may let something else happen."""
        settled = False
        for step in self:
            for download, part in step.parts():
                download.look_for_stamp()
                if part is not None and part.size is None and download.size is not None:
                    ends = download is step.segment and step.track.ends_span(step.index)
                    self._table.set_size(part, download.size, ends_span=ends)
                    settled = True
            self._note_time(step)
        for step in [s for s in self.laid if s.complete and s.timed]:
            self.laid.remove(step)
            self._release(step)
        return settled

    def _note_time(self, step: Step) -> None:
        segment, times = step.segment, step.track.times
        if segment is None or step.timed or not segment.stamped or segment.error is not None:
            return
        if segment.stamp is not None:
            times.note(step.index, segment.stamp)
        if step.part is None:
            return
        step.timed = True
        if not step.opens_span:
            return  # it may have come before the one that does
        told = self.tells_time or times.run(step.index) > 0
        if step.position.silence and step is not self.first:
            told = False  # the silence tells better where it lies than the sum of all durations
        known = told or times.is_exact(step.index)
        self._table.set_seconds(step.part.span, times.start_of(step.index) if known else None)

    # -- laying --------------------------------------------------------------------------------

    def lay_next(self) -> bool:
        """Lay the next part, if it may be; True if it was."""
        if not self.planned or self._table.end is None:
            return False
        step = self.planned[0]
        segment = step.segment
        if segment is None or step.error is not None:
            return False
        if step.init_part is None and self._begins_span(step):
            if step.init is not None:
                # Both or none of them: an init section alone is nothing that can be decoded.
                sized = step.init.size is not None
                if not (sized and _can_be_laid(step.init) and _can_be_laid(segment)):
                    return False
                self._spans += 1
                step.opens_span = True
                step.init_part = self._lay(step, step.init, index=None)
                return True
            if not _can_be_laid(segment):
                return False
            self._spans += 1
            step.opens_span = True
        elif not _can_be_laid(segment):
            return False
        step.part = self._lay(step, segment, index=step.index)
        self._fresh_span = False
        self._last = step
        self.first = self.first or step
        self.planned.popleft()
        self.laid.append(step)
        return True

    def _begins_span(self, step: Step) -> bool:
        last = self._last
        if step.position.silence or self._fresh_span or last is None or self._table.span_ended:
            return True
        if last.track is not step.track:
            return True
        segments = step.track.playlist.segments
        same_run = step.track.times.run(step.index) == step.track.times.run(last.index)
        return not same_run or segments[step.index].init != segments[last.index].init

    def _lay(self, step: Step, download: Download, index: int | None) -> Part:
        times = step.track.times
        part = Part(
            key=download.key,
            url=download.planned.url,
            start=self._table.end or 0,
            span=self._spans,
            heard=Heard(
                variant=step.variant,
                track=step.track.name,
                index=index,
                run=times.run(step.index),
                start=float(step.position.start),
                seconds=0.0 if index is None else download.seconds,
                silence=step.position.silence if step.opens_span else Fraction(0),
            ),
            cipher=download.cipher,
            resource=download.resource,
        )
        download.part, part.expected = part, download.expected
        self._table.lay(part)
        if download.size is not None:
            ends = index is not None and step.track.ends_span(step.index)
            self._table.set_size(part, download.size, ends_span=ends)
        return part

    # -- how far ahead -------------------------------------------------------------------------

    def buffered(self) -> float:
        """Seconds of media received and not read yet."""
        seconds = self._table.unread()
        for step in self.laid:
            if step.part is not None and not step.complete:
                missing = step.part.heard.seconds - step.received_seconds()
                seconds -= min(missing, self._table.unread(step.part))
        return max(0.0, seconds) + sum(step.received_seconds() for step in self.planned)

    def end(self) -> int:
        """Where the next part to be laid will begin, as far as that can be told."""
        last = self._table.last
        if last is None:
            return 0
        if last.size is not None:
            return last.start + last.size
        segment = self._last.segment if self._last is not None else None
        return last.start + (segment.expected or 0 if segment is not None else 0)

    def ahead(self) -> int:
        """Bytes fetched, being fetched or decided on beyond the furthest reader."""
        waiting = [d for step in self.planned for d, part in step.parts() if part is None]
        return max(0, self.end() + sum(d.expected or 0 for d in waiting) - self._table.furthest())

    def offset_of(self, download: Download) -> int | None:
        """Where a part lies or will lie, as far as that can be told."""
        if download.part is not None:
            return download.part.start
        at = self.end()
        for step in self.planned:
            for other, part in step.parts():
                if other is download:
                    return at
                at += (other.expected or 0) if part is None else 0
        return None

    # -- giving up -----------------------------------------------------------------------------

    def drop_from(self, step: Step) -> None:
        """Give up a planned step and all behind it."""
        while self.planned:
            last = self.planned.pop()
            self._take_back_init(last)
            self._release(last)
            if last is step:
                return

    def take_away(self, step: Step) -> Position:
        """Give up a step that failed and all behind it, whether laid or not; answer where it was.

        What readers have reached of it stays: the byte space goes on where it ends.
        """
        self._take_away(step)
        last = self._table.last
        if last is not None and last in (step.init_part, step.part):
            return replace(step.position, silence=Fraction(0))  # that was told already
        return step.position

    def _take_away(self, step: Step) -> None:
        if step in self.planned:
            self.drop_from(step)
            return
        while self.planned:
            self.drop_from(self.planned[0])
        first = step.init_part or step.part
        assert first is not None
        assert step.part is not None
        taken = self._table.take_back(first)
        if taken is None:
            taken = self._table.take_back(step.part)
        if taken is None:
            taken = self._table.cut(step.part, left_by_seek=False)
        self._detach(taken)
        self._forget_from(step)
        self._fresh_span = True

    def take_back_unreached(self) -> Position | None:
        """Give up all that nobody has reached; answer where that was to go on, None if nothing."""
        position = self.planned[0].position if self.planned else None
        if self.planned:
            self.drop_from(self.planned[0])
        taken = self._table.take_back() or []
        self._detach(taken)
        taken = [part for part in taken if part.heard.index is not None]
        for part in taken:
            step = next((s for s in self.laid if s.part is part), None)
            if step is not None:
                self.laid.remove(step)
                self._release(step)
        if taken:
            self._fresh_span = True
            heard = taken[0].heard
            assert heard.index is not None
            position = Position(
                track=self._variants.by_name(heard.track), index=heard.index, silence=heard.silence
            )
        return position

    def leave(self) -> list[Step]:
        """End everything for a seek; answer the steps to `release` when the new ones are begun."""
        taken = self._table.take_back() or []
        last = self._table.last
        if last is not None and (last.held or last.size is None):
            taken += [*self._table.cut(last, left_by_seek=True), last]
        self._detach(taken)
        old = list(self)
        self.planned.clear()
        self.laid.clear()
        self._fresh_span = self.tells_time = True
        self.first = None
        return old

    def release(self, steps: list[Step]) -> None:
        """What these steps needed is not needed any more."""
        for step in steps:
            self._release(step)

    def end_at(self, step: Step) -> None:
        """Nothing follows a step that failed; if it is laid, what is there of it stays readable."""
        if step in self.planned:
            self.drop_from(step)
            return
        while self.planned:
            self.drop_from(self.planned[0])
        self._forget_from(step)

    def _forget_from(self, step: Step) -> None:
        at = self.laid.index(step)
        gone, self.laid[at:] = self.laid[at:], []
        self.first = None if self.first in gone else self.first
        for other in gone:
            self._release(other)

    def _take_back_init(self, step: Step) -> None:
        if step.init_part is not None and step.part is None:
            self._detach(self._table.take_back(step.init_part) or [])
            self._fresh_span = True

    def _detach(self, taken: list[Part]) -> None:
        """Their downloads may be laid again elsewhere."""
        for step in self:
            for download in step.downloads:
                if download.part in taken:
                    download.part = None

    def _release(self, step: Step) -> None:
        for download in step.downloads:
            self._downloads.release(download)


def _can_be_laid(download: Download) -> bool:
    if not (download.begun and download.keyed):
        return False
    # Laid twice: the second time from the cache, once the first one is let go of.
    return download.part is None or download.resource is None
