"""Ways in: for synchronous code, for asynchronous code, and for fetching only."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from kithara_assets import Assets, asset_store
from kithara_decode import AudioStream
from kithara_net import HttpClient, Net, RetryNet, RetryPolicy
from kithara_stream import LoopThread, TransferStats

from ._cache import default_cache
from ._session import Session, Variant, Wish, open_session
from ._track import Track

LOOK_AHEAD = 8 * 1024 * 1024
RETRIES = 5

Cache = str | os.PathLike[str] | None


def open(
    url: str,
    *,
    cache: Cache = None,
    offline: bool = False,
    variant: Variant = "best",
    look_ahead: int = LOOK_AHEAD,
    retries: int = RETRIES,
) -> Track:
    """Open an audio URL for synchronous code; returns once its format is known.

    Args:
        url: an http or https URL of an audio file or of an HLS playlist.
        cache: folder of the cache; None for `default_cache()`.
        offline: send no request; raise `OfflineMiss` for what is not in the cache.
        variant: which HLS variant to play: its index by bandwidth, "best" or "worst".
        look_ahead: how many bytes to fetch ahead of the decoder.
        retries: how often in a row to try again what may succeed, after growing waits.

    Raises whatever stood in the way; see `ERRORS`.
    """
    wish = Wish(url=url, variant=variant, offline=offline, look_ahead=look_ahead)
    with ExitStack() as undo:
        loop = undo.enter_context(LoopThread())
        track = loop.run(_open_track(wish, Means(cache=cache, retries=retries)))
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
    retries: int = RETRIES,
) -> AsyncIterator[Track]:
    """Open an audio URL on the running event loop; an async context manager.

    Takes what `open` takes, and instead of `cache` a `store` of yours, and a `net` of yours (an
    `HttpClient` over your session, say; wrapped into a `RetryNet` if it is to try again); those are
    used and not closed.
    """
    wish = Wish(url=url, variant=variant, offline=offline, look_ahead=look_ahead)
    means = Means(cache=cache, retries=retries, store=store, net=net)
    track = await _open_track(wish, means)
    try:
        yield track
    finally:
        await track.aclose()


def fetch(
    url: str,
    *,
    cache: Cache = None,
    variant: Variant = "best",
    retries: int = RETRIES,
    on_progress: Callable[[TransferStats, int | None], None] | None = None,
) -> TransferStats:
    """Fetch all of a URL into the cache, so that it plays offline; answer what it took.

    For HLS that is one variant with its playlists, keys and init sections. `on_progress` is
    called from another thread with the statistics so far and the size in bytes, if known.
    """
    wish = Wish(url=url, variant=variant, offline=False, look_ahead=LOOK_AHEAD)

    async def work() -> TransferStats:
        async with AsyncExitStack() as owned:
            session = await _open_owned(wish, Means(cache=cache, retries=retries), owned)
            async with _reporting(session, on_progress):
                await session.wait_complete()
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What it is fetched with and kept in: ours unless a store or a net is given."""

    cache: Cache
    retries: int
    store: Assets | None = None
    net: Net | None = None


async def _open_track(wish: Wish, means: Means) -> Track:
    async with AsyncExitStack() as owned:
        session = await _open_owned(wish, means, owned)
        audio = AudioStream(session.reader())
        owned.push_async_callback(audio.aclose)
        await audio.wait_spec()
        return Track(wish.url, session, audio, owned.pop_all())


async def _open_owned(wish: Wish, means: Means, owned: AsyncExitStack) -> Session:
    """Open a session that `owned` closes, with whatever was opened for it."""
    store, net = means.store, means.net
    if store is None:
        store = owned.enter_context(asset_store(Path(means.cache or default_cache())))
    if net is None:
        client = await owned.enter_async_context(HttpClient())
        net = RetryNet(client, RetryPolicy(max_retries=means.retries))
    session = await open_session(wish, store=store, net=net)
    owned.push_async_callback(session.aclose)
    return session
