"""A progressive URL, before anything is fetched."""

from contextlib import AsyncExitStack
from types import TracebackType
from urllib.parse import urlsplit

from kithara_assets import (
    AssetId,
    Assets,
    OfflineMiss,
    ResourceKey,
    ResourceStatus,
    StreamingResource,
    encode_path,
)
from kithara_net import Net
from kithara_stream import EventChannel, Fetcher, MediaInfo, sniff

from ._events import Complete, Connected, Failed, FileEvent, Progress
from ._options import FileOptions
from ._origin import SNIFF_SIZE, HttpOrigin, shown
from ._resumption import Resumption
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
            resumption = Resumption(self._store, self.key)
            resource = resumption.resource
            undo.callback(resource.close)
            await resumption.finish()
            channel: EventChannel[FileEvent] = EventChannel()
            fetcher, media_type = None, None
            complete = resource.status is ResourceStatus.COMPLETE
            if self._options.offline and not complete:
                self._stay_offline(resumption, channel)
            elif not complete:
                headers, accept = self._options.headers, resumption.accept
                origin = HttpOrigin(self._net, self.url, headers, accept)
                fetcher = self._fetcher(origin, resource, channel)
                undo.push_async_callback(fetcher.aclose)
                head = await fetcher.start()
                connected = Connected(
                    url=shown(origin.final_url),
                    total=head.total,
                    seekable=head.accepts_ranges,
                    resumed=resumption.kept,
                )
                channel.publish(connected)
                media_type = origin.media_type
            media_info = await self._look(resource, media_type)
            if complete:
                channel.publish(Complete(length=resumption.kept, media_info=media_info))
            session = FileSession(resource, fetcher, media_info, channel, resumption.kept)
            undo.pop_all()
            if self._options.whole and fetcher is not None:
                fetcher.fetch_whole()
            return session

    def _fetcher(
        self, origin: HttpOrigin, resource: StreamingResource, channel: EventChannel[FileEvent]
    ) -> Fetcher:
        def progress(received: int) -> None:
            channel.publish(Progress(received=received, total=resource.length), droppable=True)

        look_ahead = self._options.look_ahead
        return Fetcher(origin, resource, look_ahead=look_ahead, on_progress=progress)

    def _stay_offline(self, resumption: Resumption, channel: EventChannel[FileEvent]) -> None:
        """Let what is here be read, and say of the rest that it is not."""
        if not resumption.kept:
            raise OfflineMiss(url=shown(self.url), missing="the file")
        error = OfflineMiss(url=shown(self.url), missing=resumption.missing())
        resumption.resource.fail(error)
        channel.publish(Failed(error=error))

    async def _look(self, resource: StreamingResource, media_type: str | None) -> MediaInfo:
        await resource.wait_range_async(0, SNIFF_SIZE)
        head = resource.read_at(0, SNIFF_SIZE)
        return MediaInfo(container=sniff(head), media_type=media_type)

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
