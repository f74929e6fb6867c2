"""A progressive URL, before anything is fetched."""

import asyncio
import os
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from kithara_assets import (
    AssetId,
    Assets,
    MemoryAssetStore,
    ResourceKey,
    SpillingAssets,
    encode_path,
)
from kithara_net import HttpClient, Net, RetryNet
from kithara_stream import EventChannel, LoopThread, MediaInfo, sniff, turn

from ._body import SNIFF_SIZE
from ._download import Download, Retries
from ._errors import NotMedia
from ._events import FileEvent
from ._local import LocalSupply, local_path
from ._options import FileOptions
from ._session import FileSession
from ._supply import Supply
from ._sync import SyncFileSession


class FileSource:
    """One progressive URL, fetched through `net` into `store`; or a local file.

    Nothing happens before `open()`, or before it is entered as an async context manager, which
    opens a session and closes it at the end. `url` is an http(s) URL, a `file:` URL or a path;
    local files are read where they are, and need neither store nor net. Without a `net` each
    session has an `HttpClient` of its own that tries again what breaks; without a `store` it keeps
    the bytes in memory, until it is closed.
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        *,
        store: Assets | None = None,
        net: Net | None = None,
        options: FileOptions | None = None,
    ) -> None:
        self.url = os.fspath(url)
        self._path = Path(url) if isinstance(url, os.PathLike) else local_path(url)
        self._store = store
        self._net = net
        self._options = options or FileOptions()
        self._entered: FileSession | None = None

    @property
    def key(self) -> ResourceKey:
        """Where the file lives in the store."""
        asset = AssetId.from_url(self.url, self._options.discriminator)
        return ResourceKey(asset.asset_root, encode_path(urlsplit(self.url).path))

    async def open(self) -> FileSession:
        """Connect, or open what the store has complete; return once the first bytes are known.

        What an earlier run left of the file is used if the server proves that it still has that
        version. Raises `OfflineMiss` (offline, and nothing or not the beginning in the store),
        `NotMedia`, or the error of the network or the store that stood in the way.
        """
        await turn()  # two hundred may be opened at once, and each looks at the disk
        async with AsyncExitStack() as owned:
            channel: EventChannel[FileEvent] = EventChannel()
            supply = await self._begin(channel, owned)
            media_info = await self._look(supply)
            return FileSession(supply, media_info, channel, owned.pop_all())

    def open_sync(self) -> SyncFileSession:
        """As `open`, for programs without an event loop: it gets one in a thread of its own.

        Close the session, or use it as a context manager. A `net` that is given must not be in
        use on another loop.
        """
        with ExitStack() as undo:
            loop = undo.enter_context(LoopThread())
            session = SyncFileSession(loop, loop.run(self.open()))
            undo.pop_all()
            return session

    async def _begin(self, channel: EventChannel[FileEvent], owned: AsyncExitStack) -> Supply:
        supply: Supply
        if self._path is not None:
            supply = LocalSupply(self._path)
            owned.push_async_callback(supply.aclose)
            return supply
        store, net, retried = self._store, self._net, Retries()
        if store is None:
            store = owned.enter_context(MemoryAssetStore())
        if net is None:
            client = await owned.enter_async_context(HttpClient())
            net = RetryNet(client)
        if isinstance(net, RetryNet):
            net = net.traced(retried)
        told = partial(channel.publish_soon, asyncio.get_running_loop())
        spilling = SpillingAssets(store, told)
        owned.callback(spilling.close)
        supply = download = Download(
            self.url,
            store=spilling,
            net=net,
            key=self.key,
            options=self._options,
            channel=channel,
            retries=retried,
        )
        owned.push_async_callback(supply.aclose)
        await download.open()
        return supply

    async def _look(self, supply: Supply) -> MediaInfo:
        """What the first bytes say that it is."""
        head = await supply.beginning(SNIFF_SIZE)
        container = sniff(head)
        if self._path is not None and (container in ("html", "hls") or not head):
            raise NotMedia(url=os.fspath(self._path), container=container)
        return MediaInfo(container=container, media_type=supply.media_type)

    async def __aenter__(self) -> FileSession:
        if self._entered is not None:
            raise RuntimeError("the source is entered already; call open() for one more session")
        self._entered = session = await self.open()
        return session

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        session, self._entered = self._entered, None
        if session is not None:
            await session.aclose()
