"""What the decode thread does: spans in, chunks out, wherever the consumer wants to be."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from functools import partial
from typing import TypeAlias

import numpy as np

from ._av_input import NoAudioFrame
from ._chunk_queue import ChunkQueue, Opened
from ._errors import FormatChanged, SeekRefused
from ._frame_axis import FrameAxis, Lead
from ._input import Input
from ._losses import Loss, Losses
from ._open import open_input
from ._options import Options
from ._pcm import PcmChunk, PcmSpec, Samples
from ._protocols import BinaryFile, SeeksTime, SpanFile, SpanFiles
from ._span_decoding import SpanDecoding

JOIN_SECONDS = Fraction(1, 500)  # time stamps that do not count samples are off by less
LONGEST_JOIN_SECONDS = 10  # a clock that jumps further was set anew
GAP = "the source leaves a gap between two spans"

File: TypeAlias = SpanFile | BinaryFile


class DecodeLoop:
    """Decodes a source into a queue until that is closed; follows its seeks.

    Frames are counted on one axis: that of decoding the source from its start to its end, in the
    output's sample rate.
    """

    def __init__(
        self,
        source: SpanFiles | BinaryFile,
        queue: ChunkQueue,
        *,
        output: PcmSpec | None,
        chunk_frames: int,
        strict: bool,
    ) -> None:
        self._source = source
        self._queue = queue
        self._output = output  # None until the first span says it
        self._chunk_frames = chunk_frames
        self._options = Options(strict=strict)
        self._axis = FrameAxis()
        self._losses = Losses()
        self._preroll = Lead().converges  # seconds that are decoded and dropped before a target
        self._files: Iterator[File] | None = None
        self._span: SpanDecoding | None = None
        self._frame = 0  # the frame of the axis that comes next
        self._target = 0  # frames before it are dropped

    def run(self) -> None:
        """Decode, then wait for a seek and decode again; return once the queue is closed."""
        try:
            target = self._queue.take_seek()
            while not self._queue.closed:
                target = self._queue.await_seek(_failure(partial(self._run_from, target)))
        finally:
            self._drop_spans()
            self._queue.finish()

    def _run_from(self, target: float | None) -> None:
        """Decode from a time, or from the start, to the end."""
        if target is not None:
            self._go_to(target)
        while (span := self._span or self._open_next()) and not self._queue.diverted:
            if not self._read(span) and self._open_next() is None:
                break

    def _read(self, span: SpanDecoding) -> bool:
        """Put the next frames of a span; False at its end."""
        try:
            samples = span.read(self._chunk_frames)
        except FormatChanged:
            self._put(span.flush(), span)
            self._span = span.behind_change(self._frame)
            return True
        except BaseException:
            self._put(span.flush(), span)  # what was decoded comes before the error
            raise
        finally:
            self._note(span.losses())
        self._put(samples, span)
        return len(samples) > 0

    def _put(self, samples: Samples, span: SpanDecoding) -> None:
        """Queue samples from the target on, in whole chunks at most."""
        skipped = min(len(samples), max(0, self._target - self._frame))
        self._frame += skipped
        for start in range(skipped, len(samples), self._chunk_frames):
            data = samples[start : start + self._chunk_frames]
            chunk = PcmChunk(
                data=data, start=self._frame, spec=span.output, source=span.source, tags=span.tags
            )
            if not self._queue.put(chunk):
                return
            self._frame += len(data)

    def _note(self, losses: Iterator[Loss]) -> None:
        for loss in losses:
            self._losses.add(loss)
            self._queue.losses = self._losses.all

    # spans

    def _start_spans(self) -> None:
        self._drop_spans()
        self._frame = 0
        self._files = _files(self._source)

    def _open_next(self) -> SpanDecoding | None:
        """Go on with the span behind the present one; None at the end."""
        if self._files is None:
            self._start_spans()
        before = self._span
        self._queue.hand_over()
        try:
            span, seconds, silence = self._next_with_sound()
        except BaseException:
            self._finish(before)
            self._drop_spans()  # the iterator is through, or beyond the span
            raise
        if span is None:
            self._finish(before)
            if before is not None:
                before.tell_cut()
                self._note(before.losses())
                silence += getattr(self._source, "silence_at_end", Fraction(0))
                self._fill(round(silence * before.output.sample_rate), before)
            if isinstance(self._source, SpanFiles):
                self._drop_spans()  # the last span's file may be closed by now
            return None
        self._span = span
        try:
            self._join(before, span, seconds, silence)
        except BaseException:
            self._drop_spans()
            raise
        finally:
            if before is not None:
                before.close()
        return span

    def _next_with_sound(self) -> tuple[SpanDecoding | None, Fraction | None, Fraction]:
        """Open the next file; its own time, the silence before it.

        A segment without any sound is passed over, as players do; one alone is an error.
        """
        silence, empty = Fraction(0), None
        while (file := next(self._files or iter(()), None)) is not None:
            # Asked before: a file that was read to its end when it was opened tells nothing more.
            seconds: Fraction | None = getattr(file, "seconds", None)
            silence += getattr(file, "silence", Fraction(0))
            try:
                return self._open(file), seconds, silence
            except NoAudioFrame as exc:
                empty = exc
        if empty is not None and self._output is None:
            raise empty
        return None, None, silence

    def _open(self, file: File) -> SpanDecoding:
        """Open a span; where its clock is that of the present one, it may take over the codec."""
        timeline = getattr(file, "timeline", 0)
        before = self._span
        follows = before.decoder if before is not None and before.timeline == timeline else None
        knows_times = getattr(self._source, "duration", None) is not None
        source = Input(file, self._queue.hand_over, follows=follows, segmented=knows_times)
        decoder = open_input(source, getattr(file, "container", None), self._options)
        source.follows = None  # or all of them would live on
        try:
            output = self._output = self._output or decoder.spec
            span = SpanDecoding(decoder, output, timeline=timeline)
        except BaseException:
            decoder.close()
            raise
        self._queue.announce(Opened(spec=output, frames=span.frames, tags=decoder.tags))
        return span

    def _join(
        self,
        before: SpanDecoding | None,
        span: SpanDecoding,
        seconds: Fraction | None,
        silence: Fraction,
    ) -> None:
        """Let a span follow another: an overlap is dropped, a gap filled."""
        end = Fraction(self._frame)
        if before is not None:
            self._put(before.finish_codec(), before)
            end = before.end
        off = silence * span.output.sample_rate
        if seconds is not None:
            off = self._offset(span, seconds, end, off)
        if before is not None and (off > 0 or not span.converts_on(before)):
            self._put(before.flush(), before)
            end = Fraction(self._frame)
        if off > 0:
            gap = round(off)
            span.follow(end + gap)
            self._fill(gap, span)
        else:
            span.follow(end, unused=round(-off / span.ratio))

    def _fill(self, gap: int, span: SpanDecoding) -> None:
        """Put the silence of a gap, in the format of a span beside it."""
        if gap:
            self._note(iter((Loss(frame=self._frame, frames=gap, reason=GAP),)))
        for start in range(0, gap, self._chunk_frames):
            frames = min(gap - start, self._chunk_frames)
            self._put(np.zeros((frames, span.output.channels), np.float32), span)

    def _offset(
        self, span: SpanDecoding, seconds: Fraction, end: Fraction, silence: Fraction
    ) -> Fraction:
        """Return by how many frames a span that follows lies behind the end of the one before.

        `silence` is what its source says of that, if its clock was not met before.
        """
        own, rate = span.own_place(seconds), span.output.sample_rate
        off = self._axis.place(span.timeline, own, end + silence) - end
        if abs(off - silence) > LONGEST_JOIN_SECONDS * rate:
            off = self._axis.restart(span.timeline, own, end + silence) - end
        return off if abs(off) > JOIN_SECONDS * rate else Fraction(0)

    def _finish(self, span: SpanDecoding | None) -> None:
        """Put what codec and conversion still hold at the end of a span that none continues."""
        if span is not None:
            self._put(span.finish_codec(), span)
            self._put(span.flush(), span)

    def _drop_spans(self) -> None:
        self._drop_span()
        files, self._files = self._files, None
        close = getattr(files, "close", None)  # a generator may hold a file open
        if close is not None:
            close()

    def _drop_span(self) -> None:
        span, self._span = self._span, None
        if span is not None:
            span.close()

    # seeks

    def _go_to(self, seconds: float) -> None:
        if isinstance(self._source, SeeksTime) and self._go_by_time(self._source, seconds):
            return
        if first := self._span or self._open_next():
            self._target = round(seconds * first.output.sample_rate)
            self._seek_frame(first, self._target)

    def _go_by_time(self, source: SeeksTime, seconds: float, *, measured: bool = False) -> bool:
        """Begin anew at a place a little before a time; False where the source finds none."""
        begin = source.seek_time(max(0.0, seconds - self._preroll))
        if begin is None:
            return False
        self._start_spans()
        span, own_seconds, told = self._next_with_sound()
        if span is None:
            return True
        self._span = span
        if own_seconds is not None:
            told += own_seconds - begin  # of segments without sound
            begin = own_seconds
        lead = span.decoder.lead
        if lead.converges > self._preroll:
            self._preroll = lead.converges
            return self._go_by_time(source, seconds)
        if begin and self._axis.is_empty and not lead.sure and not measured:
            # The start may be out of reach, and the place asked for not; if that is, too, it tells
            # why itself. Opening raises DecodeError, but the source's own reads anything: their
            # errors come out of here as they are, and this package knows none of those types.
            with suppress(Exception):
                self._measure_start(source)
            return self._go_by_time(source, seconds, measured=True)
        own, untold = span.own_place(begin), lead.untold * span.ratio
        place = self._axis.place(span.timeline, own, own + untold)
        frame = span.begin_at(place)
        silence = min(frame, round(told * span.output.sample_rate))
        self._frame = frame - silence
        self._target = round(seconds * span.output.sample_rate)
        self._fill(silence, span)
        return True

    def _measure_start(self, source: SeeksTime) -> None:
        """Learn from the very first access units where the sound begins."""
        begin = source.seek_time(0.0)
        self._start_spans()
        file = None if begin is None else next(self._files or iter(()), None)
        if begin == 0 and file is not None:
            span = self._span = self._open(file)
            self._axis.place(span.timeline, span.own_place(begin), 0)

    def _seek_frame(self, span: SpanDecoding, target: int) -> None:
        """Go to a frame, or before it, in a source that knows no times."""
        if target < span.begin:
            self._start_spans()
            first = self._open_next()
            if first is None:
                return
            span = first
        try:
            self._frame = span.seek(target)
        except SeekRefused:
            self._frame = span.go_on()
            if span.frames is not None and span.base + span.frames < target:
                with suppress(SeekRefused):  # what cannot seek is read up to its end
                    self._frame = span.seek_end()
            elif target < self._frame and isinstance(self._source, SpanFiles):
                self._start_spans()
            elif target < self._frame:
                raise


def _files(source: SpanFiles | BinaryFile) -> Iterator[File]:
    if isinstance(source, SpanFiles):
        yield from source.spans()
    else:
        yield source


def _failure(work: Callable[[], object]) -> BaseException | None:
    """Return what work in this thread, whose caller is another one, raises; None if it succeeds."""
    try:
        work()
    except BaseException as exc:  # noqa: BLE001 - the consumer's thread raises it, whatever it is
        return exc
    return None
