"""One URL as PCM."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from kithara_decode import AudioStream, PcmChunk, PcmSpec
from kithara_hls import HlsSession, Variant
from kithara_stream import LoopThread, Reader, TransferStats

from ._session import Kind, Session


class Track:
    """A URL as PCM: iterate over it, with `for` or `async for`, for `PcmChunk`s.

    Made by `kithara.open` and `kithara.aopen`. Close it, or use it as a context manager: `with`
    for one that `open` made, `async with` is done by `aopen` itself. Closing wakes whoever waits
    for a chunk, and is idempotent.
    """

    def __init__(
        self,
        url: str,
        session: Session,
        audio: AudioStream,
        owned: AsyncExitStack,
    ) -> None:
        self.url = url
        self._session = session
        self._audio = audio
        self._owned = owned
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
        frames = self._audio.frames
        return None if frames is None else frames / self.spec.sample_rate

    @property
    def position(self) -> float:
        """Seconds of PCM handed out so far."""
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
        """The index of the variant that is played; None for a file."""
        return self._session.variant.index if isinstance(self._session, HlsSession) else None

    @property
    def stats(self) -> TransferStats:
        """Requests, bytes from the network, and bytes that were in the cache."""
        return self._session.stats

    def reader(self) -> Reader:
        """The bytes themselves as one more file object, independent of the PCM."""
        return self._session.reader()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> PcmChunk:
        return next(self._audio)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PcmChunk:
        return await anext(self._audio)

    async def await_complete(self) -> None:
        """Fetch what is missing and wait until all of it is in the cache."""
        await self._session.wait_complete()

    def wait_complete(self) -> None:
        """As `await_complete`, for a track that `kithara.open` made."""
        self._own_loop().run(self._session.wait_complete())

    async def aclose(self) -> None:
        """End decoding, requests and the store. Idempotent."""
        self._closed = True
        await self._owned.aclose()

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


def _line(variant: Variant) -> str:
    rate = f"{variant.bandwidth / 1000:.0f} kbit/s" if variant.bandwidth else ""
    facts = (rate, *variant.codecs, variant.resolution or "")
    return f"{variant.index}: {' '.join(fact for fact in facts if fact)}"
