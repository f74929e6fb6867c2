"""One URL as PCM."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from kithara_decode import AudioStream, Loss, PcmChunk, PcmSpec, StreamStats
from kithara_hls import HlsSession, Variant
from kithara_stream import LoopThread, Reader, TransferStats, to_the_end

from ._blocks import Blocks, block_frames
from ._errors import NoVariants
from ._events import Events
from ._record import SessionRecord
from ._recorder import Recorder
from ._report import Report, draw
from ._session import Kind, Session


class Track:
    """A URL as PCM: iterate over it, with `for` or `async for`, for `PcmChunk`s.

    Made by `kithara.open` and `kithara.aopen`. Close it, or use it as a context manager: `with`
    for one that `open` made, `async with` is done by `aopen` itself. Closing wakes whoever waits
    for a chunk, and is idempotent. One consumer at a time; `seek` and the facts are for any thread.
    """

    def __init__(
        self,
        url: str,
        session: Session,
        audio: AudioStream,
        owned: AsyncExitStack,
        recorder: Recorder,
    ) -> None:
        self.url = url
        self._session = session
        self._audio = audio
        self._owned = owned
        self._recorder = recorder
        self._loop: LoopThread | None = None
        self._closed = False

    @property
    def kind(self) -> Kind:
        """Whether this is a file or HLS."""
        return "hls" if isinstance(self._session, HlsSession) else "file"

    @property
    def spec(self) -> PcmSpec:
        """Sample rate in Hz and channels of every chunk."""
        return self._audio.spec

    @property
    def container(self) -> str | None:
        """What the bytes are: "mp3", "flac", "mp4", "mpegts", …; None if not recognised."""
        return self._session.media_info.container

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags such as "title" and "artist", as far as the decoder found any."""
        return self._audio.tags

    @property
    def duration(self) -> float | None:
        """Length in seconds, as the decoder or the playlist says; None if neither does."""
        if isinstance(self._session, HlsSession):
            return self._session.duration
        return self._audio.duration

    @property
    def position(self) -> float:
        """Where in the sound, in seconds, the next chunk begins."""
        return self._audio.position / self.spec.sample_rate

    @property
    def length(self) -> int | None:
        """Size in bytes of what is read; None if unknown, and always for HLS."""
        return self._session.length

    @property
    def variants(self) -> tuple[str, ...]:
        """A line for each variant of an HLS playlist, in its order; none for a file."""
        if not isinstance(self._session, HlsSession):
            return ()
        return tuple(_line(variant) for variant in self._session.variants)

    @property
    def variant(self) -> int | None:
        """The index of the variant that is fetched now; None for a file."""
        return self._session.variant.index if isinstance(self._session, HlsSession) else None

    @property
    def stats(self) -> TransferStats:
        """Requests, bytes from the network, and bytes that were in the cache."""
        return self._session.stats

    @property
    def decoding(self) -> StreamStats:
        """Frames decoded, seconds that wait for you, and how often you had to wait."""
        return self._audio.stats

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Where damaged input lacks frames, as far as decoded."""
        return self._audio.losses

    def seek(self, seconds: float) -> None:
        """Go to the frame round(seconds * rate); the next chunk begins exactly there.

        At once and from any thread; of several seeks in a row the last one counts. Beyond the end
        nothing comes any more, and a seek back works then too. Raises ValueError for a time that
        is negative or no number, `DecoderClosed` after a close.
        """
        position = self.position
        self._audio.seek(seconds)
        self._recorder.sought(seconds, position)

    def select_variant(self, index: int | None) -> None:
        """Take an HLS variant from the next segment that is not fetched yet; None: choose freely.

        From any thread for a track that `kithara.open` made, else on its loop. Raises `NoVariants`
        for a file, `VariantMissing` for an index that is not there.
        """
        if not isinstance(self._session, HlsSession):
            raise NoVariants(self.url)
        session = self._session
        if self._loop is None:
            session.select_variant(index)
        else:

            async def select() -> None:
                session.select_variant(index)

            self._loop.run(select())

    def events(self) -> Events:
        """What the session behind this track did so far and does from now on.

        To be called on the loop of a track that `aopen` made; from any thread for others.
        """
        session, loop = self._session, self._loop
        if loop is None:
            return Events(session.events(), None)

        async def subscribe() -> Events:
            return Events(session.events(), loop)

        return loop.run(subscribe())

    def report(self) -> Report:
        """One self-contained HTML page about what happened so far; a notebook shows it.

        To be called on the loop of a track that `aopen` made; from any thread for others.
        """
        if self._loop is None or self._closed:
            return draw(self._recorder.record(self._session, self._audio))

        async def record() -> SessionRecord:
            return self._recorder.record(self._session, self._audio)

        return draw(self._loop.run(record()))

    def reader(self) -> Reader:
        """The bytes themselves as one more file object, independent of the PCM.

        For HLS there is one place of playing: a reader that seeks in time moves the PCM as well.
        """
        return self._session.reader()

    def blocks(
        self, *, seconds: float | None = None, frames: int | None = None
    ) -> Iterator[PcmChunk]:
        """Iterate over the same chunks in blocks of one length; the last one may be shorter.

        Give either `seconds` or `frames`. A block never reaches over a seek. Raises ValueError for
        a length below one frame.
        """
        size = block_frames(seconds=seconds, frames=frames, rate=self.spec.sample_rate)
        return self._cut(size)

    def ablocks(
        self, *, seconds: float | None = None, frames: int | None = None
    ) -> AsyncIterator[PcmChunk]:
        """As `blocks`, for `async for`."""
        size = block_frames(seconds=seconds, frames=frames, rate=self.spec.sample_rate)
        return self._cut_async(size)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> PcmChunk:
        chunk = next(self._audio)
        self._recorder.heard(chunk)
        return chunk

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PcmChunk:
        chunk = await anext(self._audio)
        self._recorder.heard(chunk)
        return chunk

    async def await_complete(self) -> None:
        """Fetch what is missing and wait until all of it is in the cache."""
        await self._session.wait_complete()

    def wait_complete(self) -> None:
        """As `await_complete`, for a track that `kithara.open` made."""
        self._own_loop().run(self._session.wait_complete())

    async def aclose(self) -> None:
        """End decoding, requests and the store, also if cancelled meanwhile. Idempotent."""
        self._closed = True
        await to_the_end(self._owned.aclose())

    def close(self) -> None:
        """As `aclose`, for a track that `kithara.open` made; ends its loop thread too."""
        loop = self._own_loop()
        if self._closed:
            return
        try:
            loop.run(self.aclose())
        finally:
            loop.close()

    def __enter__(self) -> Self:
        self._own_loop()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _own_loop(self) -> LoopThread:
        if self._loop is None:
            raise RuntimeError("this track belongs to a running loop; use its async methods")
        return self._loop

    def _cut(self, size: int) -> Iterator[PcmChunk]:
        blocks = Blocks(size)
        for chunk in self:
            yield from blocks.put(chunk)
        yield from blocks.rest()

    async def _cut_async(self, size: int) -> AsyncIterator[PcmChunk]:
        blocks = Blocks(size)
        async for chunk in self:
            for block in blocks.put(chunk):
                yield block
        for block in blocks.rest():
            yield block


def _line(variant: Variant) -> str:
    rate = f"{variant.bandwidth / 1000:.0f} kbit/s" if variant.bandwidth else ""
    facts = (rate, *variant.codecs, variant.resolution or "")
    return f"{variant.index}: {' '.join(fact for fact in facts if fact)}"
