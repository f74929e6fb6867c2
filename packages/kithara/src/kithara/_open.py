"""Ways in: for synchronous code, for asynchronous code, all of it at once, and fetching only."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

import numpy as np
import numpy.typing as npt

from kithara_assets import Assets
from kithara_decode import AudioStream, PcmSpec
from kithara_hls import HlsOptions, HlsSession
from kithara_net import Net
from kithara_stream import LoopThread, TransferStats

from ._means import Folder, Means
from ._recorder import Recorder
from ._report import Report, draw
from ._session import Session, Variant, Wish
from ._track import Track
from ._whole import all_or_nothing

STRETCH_LOOK_AHEAD = 256 * 1024  # bytes; what lies behind a stretch is not wanted


def open(
    url: str | os.PathLike[str],
    *,
    cache: Folder = None,
    store: Assets | None = None,
    offline: bool = False,
    variant: Variant | None = None,
    rate: int | None = None,
    channels: int | None = None,
    strict: bool = False,
    headers: Mapping[str, str] | None = None,
    hls: HlsOptions | None = None,
    look_ahead: int | None = None,
    retries: int | None = None,
) -> Track:
    """Open an audio URL for synchronous code; returns once its format is known.

    Args:
        url: an http or https URL of an audio file or of an HLS playlist, or an audio file of this
            machine: a path, or a `file:` URL.
        cache: folder of the cache; None for `default_cache()`.
        store: a store of yours in place of the folder, `kithara.cache(…)` say; it stays open.
        offline: send no request; raise `OfflineMiss` for what is not in the cache.
        variant: which HLS variant to play: its index in the playlist, "best", "worst", or "auto",
            which chooses for each segment by what the network gives; None is "best".
        rate: sample rate of the PCM, in Hz; None is that of the source. Another one needs the
            extra `kithara[resample]`.
        channels: channels of the PCM; None is those of the source.
        strict: raise `CorruptAudio` where damage has left no sound. Otherwise that place is passed
            over, and told by `Track.losses`.
        headers: for each request. Credentials (Authorization, Cookie) go to the server of `url`
            only, not to others that a playlist or a redirect names.
        hls: everything else that can be said about HLS: language, keys, rules for "auto".
        look_ahead: how many bytes to fetch ahead of the decoder; None leaves it to the source.
        retries: how often in a row to try again what may succeed, after growing waits; None is 5
            for a file and 3 for a segment of HLS, which then comes from another variant.

    Raises whatever stood in the way; see `ERRORS`.
    """
    wish = Wish(
        url=os.fspath(url),
        variant=variant,
        offline=offline,
        look_ahead=look_ahead,
        retries=retries,
        hls=hls,
    )
    means = Means(cache=cache, store=store, headers=headers or {})
    with ExitStack() as undo:
        loop = undo.enter_context(LoopThread())
        track = loop.run(_open_track(wish, means, rate=rate, channels=channels, strict=strict))
        track._loop = loop
        undo.pop_all()
        return track


@asynccontextmanager
async def aopen(
    url: str | os.PathLike[str],
    *,
    cache: Folder = None,
    store: Assets | None = None,
    net: Net | None = None,
    offline: bool = False,
    variant: Variant | None = None,
    rate: int | None = None,
    channels: int | None = None,
    strict: bool = False,
    headers: Mapping[str, str] | None = None,
    hls: HlsOptions | None = None,
    look_ahead: int | None = None,
    retries: int | None = None,
) -> AsyncIterator[Track]:
    """Open an audio URL on the running event loop; an async context manager.

    Takes what `open` takes, and a `net` of yours too (an `HttpClient` over your session, say;
    wrapped into a `RetryNet` if it is to try again), which is used and not closed. With one,
    `headers` are its business.
    """
    wish = Wish(
        url=os.fspath(url),
        variant=variant,
        offline=offline,
        look_ahead=look_ahead,
        retries=retries,
        hls=hls,
    )
    means = Means(cache=cache, store=store, net=net, headers=headers or {})
    track = await all_or_nothing(
        _open_track(wish, means, rate=rate, channels=channels, strict=strict)
    )
    try:
        yield track
    finally:
        await track.aclose()


def decode(
    url: str | os.PathLike[str],
    *,
    start: float = 0.0,
    duration: float | None = None,
    cache: Folder = None,
    store: Assets | None = None,
    offline: bool = False,
    variant: Variant | None = None,
    rate: int | None = None,
    channels: int | None = None,
    strict: bool = False,
    headers: Mapping[str, str] | None = None,
    hls: HlsOptions | None = None,
    retries: int | None = None,
) -> tuple[npt.NDArray[np.float32], int]:
    """Decode a URL, or `duration` seconds of it from `start` on: the samples, and their rate in Hz.

    The samples are (frames, channels), fewer where the sound ends earlier. For a stretch, little
    more is fetched than it needs, where the source can be sought in. Takes and raises what `open`
    does. With `strict` no sample is missing; without, nothing tells what damage has lost.
    """
    with open(
        url,
        cache=cache,
        store=store,
        offline=offline,
        variant=variant,
        rate=rate,
        channels=channels,
        strict=strict,
        headers=headers,
        hls=hls,
        look_ahead=None if duration is None else STRETCH_LOOK_AHEAD,
        retries=retries,
    ) as track:
        spec = track.spec
        limit = None if duration is None else round(duration * spec.sample_rate)
        if start:
            track.seek(start)
        pcm, held = np.empty((0, spec.channels), np.float32), 0
        while limit is None or held < limit:
            chunk = next(track, None)
            if chunk is None:
                break
            data = chunk.data if limit is None else chunk.data[: limit - held]
            if held + len(data) > len(pcm):  # in place: to join parts would take twice the memory
                pcm.resize((held + len(data) + len(pcm) // 8, spec.channels), refcheck=False)
            pcm[held : held + len(data)] = data
            held += len(data)
        pcm.resize((held, spec.channels), refcheck=False)
        return pcm, spec.sample_rate


def fetch(
    url: str | os.PathLike[str],
    *,
    cache: Folder = None,
    store: Assets | None = None,
    variant: Variant | None = None,
    headers: Mapping[str, str] | None = None,
    hls: HlsOptions | None = None,
    retries: int | None = None,
    on_progress: Callable[[TransferStats, int | None], None] | None = None,
    on_report: Callable[[Report], None] | None = None,
) -> TransferStats:
    """Fetch all of a URL into the cache, so that it plays offline; answer what it took.

    For HLS that is one variant with its playlists, keys and init sections. `on_progress` is
    called from another thread with the statistics so far and the size in bytes, if known;
    `on_report` at the end, also when it failed, with a page about what happened.
    """
    wish = Wish(url=os.fspath(url), variant=variant, retries=retries, hls=hls)
    means = Means(cache=cache, store=store, headers=headers or {})

    async def work() -> TransferStats:
        recorder = Recorder(wish.url)
        async with AsyncExitStack() as owned:
            session = await means.open(wish, owned, recorder)
            try:
                async with _reporting(session, on_progress):
                    if isinstance(session, HlsSession):
                        await session.download()  # of one variant, whatever fails on the way
                    else:
                        await session.wait_complete()
            finally:
                if on_report is not None:
                    on_report(draw(recorder.record(session, None)))
            return session.stats

    with LoopThread() as loop:
        return loop.run(work())


@asynccontextmanager
async def _reporting(
    session: Session, on_progress: Callable[[TransferStats, int | None], None] | None
) -> AsyncIterator[None]:
    """Call back at every event of the session, and once at the end."""
    if on_progress is None:
        yield
        return

    async def report() -> None:
        async for _ in session.events():
            on_progress(session.stats, session.length)

    task = asyncio.create_task(report())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        on_progress(session.stats, session.length)


async def _open_track(
    wish: Wish, means: Means, *, rate: int | None, channels: int | None, strict: bool
) -> Track:
    recorder = Recorder(wish.url)
    async with AsyncExitStack() as owned:
        session = await means.open(wish, owned, recorder)
        audio = await _open_audio(session, owned, _output(None, rate, channels), strict)
        output = _output(await audio.wait_spec(), rate, channels)
        if output is not None and output != audio.spec:
            await audio.aclose()
            audio = await _open_audio(session, owned, output, strict)
        return Track(wish.url, session, audio, owned.pop_all(), recorder)


async def _open_audio(
    session: Session, owned: AsyncExitStack, output: PcmSpec | None, strict: bool
) -> AudioStream:
    audio = AudioStream(session.reader(), output=output, strict=strict)
    owned.push_async_callback(audio.aclose)
    await audio.wait_spec()
    return audio


def _output(source: PcmSpec | None, rate: int | None, channels: int | None) -> PcmSpec | None:
    """The format wished for: None if nothing is, or as long as the source has to tell half."""
    if rate is None and channels is None:
        return None
    if source is not None:
        rate, channels = rate or source.sample_rate, channels or source.channels
    if rate is None or channels is None:
        return None
    return PcmSpec(sample_rate=rate, channels=channels)
