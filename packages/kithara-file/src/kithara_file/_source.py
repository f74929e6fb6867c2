"""A progressive URL, before anything is fetched."""

from contextlib import AsyncExitStack
from types import TracebackType
from urllib.parse import urlsplit

from kithara_assets import AssetId, Assets, ResourceKey, encode_path
from kithara_net import ContentChanged, Net
from kithara_stream import EventChannel, MediaInfo, OriginHead, sniff

from ._body import SNIFF_SIZE
from ._download import Download
from ._events import Changed, Connected, FileEvent, Progress, Reading
from ._options import FileOptions
from ._origin import HttpOrigin, shown
from ._session import FileSession


class FileSource:
    """One progressive URL, fetched through `net` into `store`.

    Nothing happens before `open()`, or before it is entered as an async context manager, which
    opens a session and closes it at the end.
    """

    def __init__(
        self, url: str, *, store: Assets, net: Net, options: FileOptions | None = None
    ) -> None:
        self.url = url
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
        async with AsyncExitStack() as undo:
            channel: EventChannel[FileEvent] = EventChannel()
            download = self._download(channel)
            undo.push_async_callback(download.aclose)
            await download.open()
            media_info = await self._look(download)
            session = FileSession(download, media_info, channel)
            undo.pop_all()
            return session

    def _download(self, channel: EventChannel[FileEvent]) -> Download:
        def progress(received: int) -> None:
            total = download.resource.length
            channel.publish(Progress(received=received, total=total), droppable=True)

        def connected(origin: HttpOrigin, head: OriginHead, kept: int) -> None:
            event = Connected(
                url=shown(origin.final_url),
                total=head.total,
                seekable=head.accepts_ranges,
                resumed=kept,
            )
            channel.publish(event)

        def changed(error: ContentChanged, reading: Reading) -> None:
            channel.publish(Changed(error=error, reading=reading))

        download = Download(
            self.url,
            store=self._store,
            net=self._net,
            key=self.key,
            options=self._options,
            on_progress=progress,
            on_connected=connected,
            on_changed=changed,
        )
        return download

    async def _look(self, download: Download) -> MediaInfo:
        await download.resource.wait_range_async(0, SNIFF_SIZE)
        head = download.resource.read_at(0, SNIFF_SIZE)
        return MediaInfo(container=sniff(head), media_type=download.media_type)

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
