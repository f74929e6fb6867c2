"""The one place that owns a decode thread: a source of spans in, a stream of PCM chunks out."""

import asyncio
import contextlib
import math
import threading
import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from ._chunk_queue import ChunkQueue, Opened
from ._decode_loop import DecodeLoop
from ._errors import DecodeError
from ._losses import Loss
from ._pcm import PcmChunk, PcmSpec
from ._protocols import BinaryFile, Interruptible, SpanFiles
from ._stats import StreamStats

CLOSE_SECONDS = 5.0  # how long a close waits for a source that does not wake its readers


class AudioStream:
    """Decodes a source in a thread of its own; an iterator and an async iterator of PcmChunk.

    All chunks are of one spec: `output`, or else that of the first span. Other channel counts are
    mixed by ITU-R BS.775 and not attenuated, so that loud sound may overshoot full scale; other
    sample rates are resampled by soxr, the extra `resample`: where that is missing, a span of
    another rate raises UnsupportedFormat naming it.

    Spans are decoded one behind the other; a chunk never reaches from one into the next. Where
    spans of one timeline tell their times, what they both hold comes once, and silence fills what
    is missing between them and counts as a loss. Times that are off by less than 2 ms, or by more
    than 10 s, are not believed.

    `chunk_frames` is the most frames of a chunk, and the usual number; `buffer_seconds` how much
    decoded sound may wait for the consumer before the decoding waits in turn, until half is left.

    What stops the decoding is raised behind the chunks decoded before it, as the same object, each
    time the next chunk is asked for. `strict` is that of `open_decoder`.

    The thread starts when it is first needed. The stream owns the source: closing the one closes
    the other, whose blocked read must wake up with an error. One consumer at a time.
    """

    def __init__(
        self,
        source: SpanFiles | BinaryFile,
        *,
        output: PcmSpec | None = None,
        chunk_frames: int = 4096,
        buffer_seconds: float = 2.0,
        strict: bool = False,
    ) -> None:
        self._started = False
        if chunk_frames <= 0 or buffer_seconds <= 0:
            raise ValueError("chunk_frames and buffer_seconds must be positive")
        self._source = source
        self._queue = ChunkQueue(buffer_seconds)
        if isinstance(source, Interruptible):
            self._queue.interrupt, self._queue.proceed = source.interrupt, source.proceed
        # The thread must not hold the stream itself, or a forgotten one could never be collected.
        loop = DecodeLoop(
            source, self._queue, output=output, chunk_frames=chunk_frames, strict=strict
        )
        self._thread = threading.Thread(target=loop.run, name="kithara-decode", daemon=True)

    @property
    def spec(self) -> PcmSpec:
        """Return the spec of every chunk, waiting (blocking) until the first span is opened.

        Raises what kept the first span from being opened, DecoderClosed after an early close.
        """
        return self._wait_opened().spec

    @property
    def duration(self) -> float | None:
        """Return the length in seconds, as the source tells, or else its first span; or None.

        Waits like `spec` unless the source tells.
        """
        told: float | None = getattr(self._source, "duration", None)
        if told is not None:
            return told
        opened = self._wait_opened()
        return None if opened.frames is None else opened.frames / opened.spec.sample_rate

    @property
    def frames(self) -> int | None:
        """Return how many frames, of `spec`, the first span promises, or None; waits like it."""
        return self._wait_opened().frames

    @property
    def tags(self) -> Mapping[str, str]:
        """Return the text tags of the first span by lower-case name; waits like `spec`.

        Those of later spans, and of the links of a chained Ogg, are told by `PcmChunk.tags`.
        """
        return self._wait_opened().tags

    async def wait_spec(self) -> PcmSpec:
        """Return `spec` without blocking the event loop; after it nothing here waits any more."""
        self._start()
        return (await self._queue.opened_async()).spec

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Return where damaged input lacks frames, counted like `position`, as far as decoded.

        Bounded, as a decoder's `losses` are.
        """
        return self._queue.losses

    @property
    def stats(self) -> StreamStats:
        """Return what happened so far; never waits."""
        return self._queue.stats

    @property
    def position(self) -> int:
        """Return the frame that the next chunk begins with.

        After `seek(seconds)` that is round(seconds * rate), or 0 until the rate is known.
        """
        return self._queue.position

    @property
    def closed(self) -> bool:
        """Return whether the stream was closed."""
        return self._queue.closed

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> PcmChunk:
        self._start()
        if (chunk := self._queue.take()) is None:
            raise StopIteration
        return chunk

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PcmChunk:
        self._start()
        if (chunk := await self._queue.take_async()) is None:
            raise StopAsyncIteration
        return chunk

    def seek(self, seconds: float) -> None:
        """Go to the frame round(seconds * rate), counted from the start of the source; exact.

        From any thread, at once: the next chunk begins there. Of several seeks in a row the last
        one counts. What is decoded already is dropped, and a blocked read is ended if the source
        has `interrupt`. Beyond the end nothing comes any more. A seek works after the end and,
        where the source goes on, after an error; the next chunk raises SeekRefused where the
        source cannot go back.

        Raises DecoderClosed; ValueError for a time that is negative or no number.
        """
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"no sound is at {seconds} s; seconds must be finite and >= 0")
        self._queue.seek(seconds)

    def close(self) -> None:
        """Stop decoding, close the source and end the thread. Idempotent.

        Whoever iterates sees the end, never an error. Raises what the source's close raises, and
        DecodeError if a read of the source goes on for seconds after that.
        """
        try:
            self._stop()
        finally:
            if self._started:
                self._queue.wait(self._queue.has_finished, CLOSE_SECONDS)
                self._join()

    async def aclose(self) -> None:
        """Do the same as `close` without blocking the event loop."""
        try:
            self._stop()
        finally:
            if self._started:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await self._queue.wait_async(self._queue.has_finished, _nothing)
                self._join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if self._started and not self._queue.closed:
            warnings.warn("an AudioStream was never closed", ResourceWarning, stacklevel=2)
            self._stop()

    def _wait_opened(self) -> Opened:
        self._start()
        return self._queue.opened()

    def _start(self) -> None:
        if not self._started and not self._queue.closed:
            self._started = True
            self._thread.start()

    def _join(self) -> None:
        if not self._queue.has_finished():
            raise DecodeError("the closed source did not wake its reader; its thread ends with it")
        self._thread.join()

    def _stop(self) -> None:
        self._queue.close()
        # Closing a BufferedReader waits for the read in it; closing its raw file ends that read.
        for part in (getattr(self._source, "raw", None), self._source):
            close = getattr(part, "close", None)
            if close is not None:
                close()


def _nothing() -> None:
    pass
