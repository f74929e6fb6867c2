"""What the decode thread does: spans in, chunks out, wherever the consumer wants to be."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import cast

from ._chunk_queue import ChunkQueue, Opened
from ._decoder import BaseDecoder
from ._errors import SeekRefused
from ._frame_axis import FrameAxis, Lead
from ._input import Input
from ._losses import Losses
from ._open import open_input
from ._options import Options
from ._pcm import PcmChunk, Samples
from ._protocols import BinaryFile, SeeksTime, SpanFile, SpanFiles


class DecodeLoop:
    """Decodes a source into a queue until that is closed; follows its seeks.

    Frames are counted on one axis: that of decoding the source from its start to its end.
    """

    def __init__(
        self,
        source: SpanFiles | BinaryFile,
        queue: ChunkQueue,
        *,
        chunk_frames: int,
        strict: bool,
    ) -> None:
        self._source = source
        self._queue = queue
        self._chunk_frames = chunk_frames
        self._options = Options(strict=strict)
        self._axis = FrameAxis()
        self._losses = Losses()
        self._rate = 0  # of the axis; 0 while unknown
        self._files: Iterator[SpanFile | BinaryFile] | None = None
        self._decoder: BaseDecoder | None = None
        self._base = 0  # the frame of the axis that the decoder calls 0
        self._frame = 0  # the frame of the axis that the decoder delivers next
        self._preroll = Lead().converges  # seconds that are decoded and dropped before a target
        self._target = 0  # frames before it are dropped

    def run(self) -> None:
        """Decode, then wait for a seek and decode again; return once the queue is closed."""
        try:
            target = self._queue.take_seek()
            while not self._queue.closed:
                target = self._queue.await_seek(self._run_from(target))
        finally:
            self._drop_spans()
            self._queue.finish()

    def _run_from(self, target: float | None) -> BaseException | None:
        """Decode from a time, or from the start, to the end; return what stopped it before."""
        try:
            if target is not None:
                self._go_to(target)
            self._deliver()
        except BaseException as exc:  # noqa: BLE001 - carried over to the consumer's thread
            return exc
        return None

    def _deliver(self) -> None:
        while (decoder := self._decoder or self._open_next()) and not self._queue.diverted:
            block = cast("Samples", decoder.read(self._chunk_frames))
            self._note_losses(decoder)
            start = self._frame
            self._frame += len(block)
            if self._frame > max(start, self._target):
                late = max(0, self._target - start)
                chunk = PcmChunk(data=block[late:], start=start + late, spec=decoder.spec)
                if not self._queue.put(chunk):
                    return
            if not len(block) and self._open_next() is None:
                return

    def _note_losses(self, decoder: BaseDecoder) -> None:
        if found := decoder.losses:
            for loss in found:
                self._losses.add(replace(loss, frame=self._base + loss.frame))
            self._queue.losses = self._losses.all()

    # spans

    def _start_spans(self) -> None:
        self._drop_spans()
        self._frame = 0
        self._files = _files(self._source)

    def _open_next(self) -> BaseDecoder | None:
        """Go on with the span behind the present one; None at the end."""
        if self._files is None:
            self._start_spans()
        file = self._next_file()
        return None if file is None else self._open(file, getattr(file, "seconds", None))

    def _next_file(self) -> SpanFile | BinaryFile | None:
        try:
            file = next(self._files or iter(()), None)
        except BaseException:
            self._drop_spans()  # an iterator that raised is through
            raise
        if file is None and isinstance(self._source, SpanFiles):
            self._drop_spans()  # the last span may be closed by now
        return file

    def _open(
        self, file: SpanFile | BinaryFile, seconds: Fraction | None, *, joined: bool = True
    ) -> BaseDecoder:
        """Decode a span that begins where the one before it ended, or anywhere if not joined."""
        self._drop_decoder()
        try:
            decoder = open_input(Input(file), getattr(file, "container", None), self._options)
        except BaseException:
            self._drop_spans()  # the iterator is beyond this span already
            raise
        self._decoder = decoder
        self._rate = self._rate or decoder.spec.sample_rate
        if seconds is not None:
            own = decoder.lead.first_frame(seconds, self._rate)
            placed = self._axis.place(
                getattr(file, "timeline", 0), own, self._frame if joined else None
            )
            self._frame = self._frame if joined else placed
        self._base = self._frame
        self._queue.announce(Opened(spec=decoder.spec, frames=decoder.frames, tags=decoder.tags))
        return decoder

    def _drop_spans(self) -> None:
        self._drop_decoder()
        files, self._files = self._files, None
        close = getattr(files, "close", None)  # a generator may hold a file open
        if close is not None:
            close()

    def _drop_decoder(self) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()

    # seeks

    def _go_to(self, seconds: float) -> None:
        if isinstance(self._source, SeeksTime):
            begin = self._source.seek_time(max(0.0, seconds - self._preroll))
        else:
            begin = None
        if begin is not None:
            self._start_spans()
            file = self._next_file()
            decoder = None if file is None else self._open(file, begin, joined=False)
            if decoder is not None and decoder.lead.converges > self._preroll:
                self._preroll = decoder.lead.converges
                self._go_to(seconds)
                return
        elif self._decoder or self._open_next():
            self._seek_frame(round(seconds * self._rate))
        self._target = round(seconds * self._rate)

    def _seek_frame(self, target: int) -> None:
        """Go to a frame, or before it, in a source that knows no times."""
        if target < self._base:
            self._start_spans()
            self._open_next()
        if (decoder := self._decoder) is None:
            return
        try:
            decoder.seek(target - self._base)
        except SeekRefused:
            if decoder.frames is not None and self._base + decoder.frames < target:
                with suppress(SeekRefused):  # what cannot seek is read up to its end
                    decoder.seek(decoder.frames)
            elif target < self._frame and isinstance(self._source, SpanFiles):
                self._start_spans()
                return
            elif target < self._frame:
                raise
        self._frame = self._base + decoder.position


def _files(source: SpanFiles | BinaryFile) -> Iterator[SpanFile | BinaryFile]:
    if isinstance(source, SpanFiles):
        yield from source.spans()
    else:
        yield source
