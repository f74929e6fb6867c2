"""Ways in: for synchronous code, for asynchronous code, and for fetching only."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

from kithara_assets import Assets, asset_store
from kithara_decode import AudioStream
from kithara_net import HttpClient, Net
from kithara_stream import LoopThread, TransferStats

from ._cache import default_cache
from ._session import Session, Variant, open_session
from ._track import Track

LOOK_AHEAD = 8 * 1024 * 1024

Cache = str | os.PathLike[str] | None


def open(
    url: str,
    *,
    cache: Cache = None,
    offline: bool = False,
    variant: Variant = "best",
    look_ahead: int = LOOK_AHEAD,
) -> Track:
    """Open an audio URL for synchronous code; returns once its format is known.

    Args:
        url: an http or https URL of an audio file or of an HLS playlist.
        cache: folder of the cache; None for `default_cache()`.
        offline: send no request; raise `OfflineMiss` for what is not in the cache.
        variant: which HLS variant to play: its index by bandwidth, "best" or "worst".
        look_ahead: how many bytes to fetch ahead of the decoder.

    Raises whatever stood in the way; see `ERRORS`.
    """
    with ExitStack() as undo:
        loop = undo.enter_context(LoopThread())
        opening = _open_track(
            url,
            cache=cache,
            store=None,
            net=None,
            offline=offline,
            variant=variant,
            look_ahead=look_ahead,
        )
        track = loop.run(opening)
        track._loop = loop
        undo.pop_all()
        return track


@asynccontextmanager
async def aopen(
    url: str,
    *,
    cache: Cache = None,
    store: Assets | None = None,
    net: Net | None = None,
    offline: bool = False,
    variant: Variant = "best",
    look_ahead: int = LOOK_AHEAD,
) -> AsyncIterator[Track]:
    """Open an audio URL on the running event loop; an async context manager.

    Takes what `open` takes, and instead of `cache` a `store` of yours, and a `net` of yours (an
    `HttpClient` over your session, say); those are used and not closed.
    """
    track = await _open_track(
        url,
        cache=cache,
        store=store,
        net=net,
        offline=offline,
        variant=variant,
        look_ahead=look_ahead,
    )
    try:
        yield track
    finally:
        await track.aclose()


def fetch(
    url: str,
    *,
    cache: Cache = None,
    variant: Variant = "best",
    on_progress: Callable[[TransferStats, int | None], None] | None = None,
) -> TransferStats:
    """Fetch all of a URL into the cache, so that it plays offline; answer what it took.

    For HLS that is one variant with its playlists, keys and init sections. `on_progress` is
    called from another thread with the statistics so far and the size in bytes, if known.
    """
    with LoopThread() as loop:
        return loop.run(_fetch(url, cache, variant, on_progress))


async def _fetch(
    url: str,
    cache: Cache,
    variant: Variant,
    on_progress: Callable[[TransferStats, int | None], None] | None,
) -> TransferStats:
    async with AsyncExitStack() as owned:
        session = await _session(
            owned, url, cache, None, None, offline=False, variant=variant, look_ahead=LOOK_AHEAD
        )
        async with _reporting(session, on_progress):
            await session.wait_complete()
        return session.stats


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
    url: str,
    *,
    cache: Cache,
    store: Assets | None,
    net: Net | None,
    offline: bool,
    variant: Variant,
    look_ahead: int,
) -> Track:
    async with AsyncExitStack() as owned:
        session = await _session(
            owned,
            url,
            cache,
            store,
            net,
            offline=offline,
            variant=variant,
            look_ahead=look_ahead,
        )
        audio = AudioStream(session.reader())
        owned.push_async_callback(audio.aclose)
        await audio.wait_spec()
        return Track(url, session, audio, owned.pop_all())


async def _session(
    owned: AsyncExitStack,
    url: str,
    cache: Cache,
    store: Assets | None,
    net: Net | None,
    *,
    offline: bool,
    variant: Variant,
    look_ahead: int,
) -> Session:
    if store is None:
        store = owned.enter_context(asset_store(Path(cache or default_cache())))
    if net is None:
        net = await owned.enter_async_context(HttpClient())
    session = await open_session(
        url, store=store, net=net, offline=offline, variant=variant, look_ahead=look_ahead
    )
    owned.push_async_callback(session.aclose)
    return session
