"""One part on its way: from the cache or the network to where readers can have it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

from kithara_assets import (
    Assets,
    ContentMismatch,
    LengthMismatch,
    OfflineMiss,
    ResourceKey,
    ResourceStatus,
)
from kithara_net import (
    BodyTruncated,
    ByteStream,
    Net,
    NetError,
    RangeSpec,
    UnexpectedStatus,
)
from kithara_stream import Cancelled

from ._abr_meter import TransferMeter
from ._abr_protocol import DownloadSample
from ._cipher import SegmentCipher
from ._download import Download
from ._errors import SegmentInvalid
from ._events import HlsEvent, ThroughputSample
from ._options import HlsOptions
from ._parts import Part
from ._patience import Patience
from ._plan import PlannedPart
from ._received import begun_size, check_size, clear_size, is_all, told_size
from ._tally import Tally
from ._timestamps import STAMP_SIZE
from ._track import Track
from ._urls import redacted
from ._version import Version, are_same, version_of

__all__ = ("Downloads",)

_EXPIRED: Final = frozenset((401, 403, 404, 410))  # how servers refuse a token of yesterday
_RENEWALS: Final = 3  # of a part in a row: others may use up a token that is good for few requests


class Downloads:
    """The parts on their way, each fetched once whoever wants it. Belongs to the event loop.

    ``gate`` is awaited between chunks and holds a body back; ``changed`` is called after each
    step of any; ``sampled`` is told what the network gave, by ``meter``.
    """

    def __init__(
        self,
        *,
        store: Assets,
        net: Net,
        options: HlsOptions,
        tally: Tally,
        publish: Callable[..., None],
        gate: Callable[[Download], Awaitable[None] | None],
        changed: Callable[[], None],
        sampled: Callable[[DownloadSample], None],
        finished: Callable[[Part], None],
    ) -> None:
        self._store = store
        self._net = net
        self._options = options
        self._tally = tally
        self._publish: Callable[[HlsEvent], None] = publish
        self._publish_any = publish
        self._gate = gate
        self._changed = changed
        self._sampled = sampled
        self._finished = finished
        self.meter = TransferMeter()
        self._active: dict[ResourceKey, Download] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._met: set[ResourceKey] = set()

    def get(
        self, planned: PlannedPart, track: Track, variant: int, init: Download | None = None
    ) -> Download:
        """Fetch a part, or take part in that."""
        key = track.key_of(planned)
        known = self._active.get(key)
        if known is not None and known.error is None and known.wanted:
            known.wanted += 1
            return known
        seconds = 0.0 if planned.index is None else float(track.times.duration_of(planned.index))
        download = Download(
            planned=planned, track=track, variant=variant, key=key, init=init, seconds=seconds
        )
        self._active[key] = download
        download.task = asyncio.create_task(self._run(download, after=known))
        self._tasks.add(download.task)
        download.task.add_done_callback(lambda task: self._over(download, task))
        return download

    def release(self, download: Download) -> None:
        """One who wanted it does not any more; nobody left: it is ended."""
        download.wanted -= 1
        if download.wanted:
            return
        if self._active.get(download.key) is download and not download.running:
            del self._active[download.key]
        if download.resource is not None and download.part is None and not download.running:
            download.resource.close()  # it was kept until it is laid
        if download.task is not None and download.running:
            download.task.cancel()

    async def aclose(self) -> None:
        """End all of them, and wait until they are."""
        for task in self._tasks:
            if not task.cancelling():  # once: a second time would end its waiting for its own
                task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, download: Download, after: Download | None) -> None:
        if after is not None and after.task is not None and not after.task.done():
            await asyncio.wait([after.task])  # it lets go of the file
        try:
            await self._both(download)
            await self._complete(download)
        except (LengthMismatch, ContentMismatch) as error:
            reason = "it changed on the server while it was fetched"
            raise SegmentInvalid(reason, url=download.planned.url) from error

    def _over(self, download: Download, task: "asyncio.Task[None]") -> None:
        """Let go of what the download held; whatever ended it is told to who waits."""
        self._tasks.discard(task)
        error = Cancelled("the download") if task.cancelled() else task.exception()
        download.error = error if isinstance(error, Exception) else None
        damaged = isinstance(download.error, SegmentInvalid)  # not to be kept for the next time
        resource, part = download.resource, download.part
        if part is not None and part.held:
            part.damaged = damaged
            if download.complete:
                self._finished(part)
            resource = None
        elif resource is not None and download.complete and resource.spilled and download.wanted:
            pass  # some of it is in memory only, and has yet to be laid
        elif resource is not None:
            if damaged and resource.confirmed and resource.status is ResourceStatus.PARTIAL:
                resource.restart()
            resource.close()
            resource = None
        download.resource = resource
        if not download.wanted and self._active.get(download.key) is download:
            del self._active[download.key]
        download.look_for_stamp()
        self._changed()

    async def _both(self, download: Download) -> None:
        """Fetch the body and the key at once; the first failure of either ends both."""
        if download.planned.key is None:
            await self._body(download)
            return
        tasks = [
            asyncio.create_task(self._body(download)),
            asyncio.create_task(self._unlock(download)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _unlock(self, download: Download) -> None:
        while download.cipher is None:
            planned = download.planned
            key = planned.key
            assert key is not None
            try:
                found = await download.track.keys.get(key, segment_url=planned.url)
            except UnexpectedStatus as error:
                if not await self._renew(download, planned, error):
                    raise
            else:
                download.cipher = SegmentCipher(found, key.iv, key_url=key.url)
        self._changed()

    async def _body(self, download: Download) -> None:
        planned = download.planned
        resource = self._store.open_streaming_resource(download.key, resume=True)
        if resource.status is ResourceStatus.PARTIAL and resource.following:
            # Whoever writes it reads at a pace of its own and may stand still for ever.
            resource.close()
            resource = self._store.open_streaming_resource(download.key)
        download.resource = resource
        if resource.status is ResourceStatus.COMPLETE:
            size = resource.length or 0
            download.cached = True
            self._tally.bytes_cached += 0 if download.key in self._met else size
            download.head = resource.read_at(0, STAMP_SIZE)
            self._learn_size(download, size)
            self._begin(download)
            return
        if self._options.offline:
            what = "an init section" if planned.index is None else f"segment {planned.index}"
            raise OfflineMiss(url=redacted(planned.url), missing=what)
        patience = Patience(self._options.retry, self._tally)
        while True:
            before, planned = download.received, download.planned
            try:
                if await self._attempt(download):
                    return
            except UnexpectedStatus as error:
                if not await self._renew(download, planned, error):
                    await self._again(download, error, patience)
            except NetError as error:
                if is_all(download, error):
                    self._take_held(download)
                    return
                if download.received > before:
                    patience.progress()
                await self._again(download, error, patience)
                stuck = isinstance(error, BodyTruncated) and download.reached == before > 0
                if stuck and await self._nothing_follows(download):
                    self._take_held(download)
                    return

    async def _nothing_follows(self, download: Download) -> bool:
        """Ask whether a body that broke off twice at the same byte told more than there is."""
        assert download.resource is not None
        await download.resource.flush()
        rest = RangeSpec(download.resource.available(0), None)
        self._tally.requests += 1
        try:
            async with self._net.get_range(download.planned.url, rest):
                return False
        except NetError as error:
            return is_all(download, error)

    def _take_held(self, download: Download) -> None:
        """What is in the cache of a part is all of it."""
        resource = download.resource
        assert resource is not None
        if not resource.confirmed:
            resource.confirm()
        download.head = resource.read_at(0, STAMP_SIZE)
        self._learn_size(download, resource.available(0))
        self._begin(download)

    async def _again(self, download: Download, error: NetError, patience: Patience) -> None:
        await patience.wait(error)
        self._publish(download.retried(error))

    async def _renew(
        self, download: Download, refused: PlannedPart, error: UnexpectedStatus
    ) -> bool:
        """Give a part URLs that have not expired; False if that is no way."""
        if download.planned != refused:
            return True  # its body was refused before its key, or the other way round
        if error.status not in _EXPIRED or download.renewals == _RENEWALS:
            return False
        download.renewals += 1
        renewed = await download.track.renewed(refused)
        download.planned = renewed or refused
        return renewed is not None

    async def _attempt(self, download: Download) -> bool:
        """One request; True once all is stored, False to ask again from the beginning."""
        resource, planned = download.resource, download.planned
        assert resource is not None
        if download.received:
            await resource.flush()  # what came before the last try broke
        held = resource.available(0)
        version = resource.identity if held else None
        if held and held in (resource.length, begun_size(planned, version)):
            self._take_held(download)  # an earlier run, or try, did not come to commit it
            return True
        async with AsyncExitStack() as stack:
            download.requested_at = asyncio.get_running_loop().time()
            transfer = self.meter.start(download.requested_at)
            stack.callback(lambda: self.tell(transfer.end(asyncio.get_running_loop().time())))
            body = await self._request(download, held if version else 0, version, stack)
            self._tally.answered(asyncio.get_running_loop().time() - download.requested_at)
            download.renewals, download.track.answered = 0, True
            begin = planned.byte_range.start if planned.byte_range is not None else 0
            found = version_of(body)
            same = are_same(found, version)
            if not resource.confirmed:
                if same:
                    resource.confirm()
                    download.head = resource.read_at(0, STAMP_SIZE)
                else:
                    self._begin_anew(download, found)
            elif held and not same and download.part is None:
                self._begin_anew(download, found)
            if body.head.start > begin and not same:
                if download.part is not None:
                    raise SegmentInvalid("it changed while it was fetched", url=planned.url)
                resource.restart()
                return False
            wanted = told_size(planned, body)
            if wanted is not None:
                self._learn_size(download, wanted)
            self._begin(download)
            download.reached = body.head.start - begin
            more = body.head.status == 200 and planned.byte_range is not None  # for others
            async for chunk in body:
                now = asyncio.get_running_loop().time()
                transfer.received(len(chunk), now)
                download.ttfb = transfer.ttfb
                self._tally.bytes_received += len(chunk)
                await self._store_chunk(download, chunk, wanted)
                if download.reached == wanted and more:
                    break
                held_back = self._gate(download) if download.reached != wanted else None
                if held_back is not None:
                    self.tell(transfer.end(now))  # the wait is not the network's
                    await held_back
        size = download.reached
        if wanted is not None and size < wanted:
            raise SegmentInvalid(f"it has {size} bytes instead of {wanted}", url=planned.url)
        await resource.flush()
        self._learn_size(download, size)
        return True

    def _begin_anew(self, download: Download, version: Version | None) -> None:
        if download.resource is not None:
            download.resource.restart(version)
        download.head, download.received = b"", 0

    async def _store_chunk(self, download: Download, chunk: bytes, wanted: int | None) -> None:
        """Store the next piece of the body."""
        resource, at = download.resource, download.reached
        assert resource is not None
        stop = at + len(chunk) if wanted is None else min(at + len(chunk), wanted)
        piece = chunk[max(0, -at) : max(0, stop - at)]
        start = max(0, at)
        if piece:
            await resource.write_at(start, piece)
            if start == len(download.head) < STAMP_SIZE:
                download.head += piece[: STAMP_SIZE - start]
            download.received = max(download.received, stop)
            download.look_for_stamp()
            self._changed()
        download.reached = stop

    async def _request(
        self, download: Download, held: int, version: object, stack: AsyncExitStack
    ) -> ByteStream:
        planned = download.planned
        self._tally.requests += 1
        headers = {"If-Range": version["validator"]} if held and isinstance(version, dict) else None
        wanted = planned.byte_range
        if held:
            begin = wanted.start if wanted is not None else 0
            wanted = RangeSpec(begin + held, wanted.stop if wanted is not None else None)
        if wanted is not None:
            return await stack.enter_async_context(
                self._net.get_range(planned.url, wanted, headers=headers)
            )
        return await stack.enter_async_context(self._net.stream(planned.url))

    def tell(self, sample: DownloadSample | None) -> None:
        """Tell what the network gave, if anything."""
        if sample is not None:
            self._sampled(sample)
            event = ThroughputSample(bytes=sample.size, seconds=sample.seconds, ttfb=sample.ttfb)
            self._publish_any(event, droppable=True)

    def _begin(self, download: Download) -> None:
        if not download.begun:
            download.begun = True
            self._publish(download.started())
        self._changed()

    def _learn_size(self, download: Download, size: int) -> None:
        check_size(download.planned, size)
        if download.wire_size is None and download.planned.index is not None:
            download.track.saw(size, download.seconds)
        download.wire_size = size
        if download.part is not None:
            download.part.expected = size

    async def _complete(self, download: Download) -> None:
        """Validate the whole part, and make it stay."""
        resource, size = download.resource, download.wire_size
        assert resource is not None
        assert size is not None
        download.received, download.size = size, clear_size(download, size)
        self._changed()
        await resource.commit(size)
        download.complete = True
        self._met.add(download.key)
        self._publish(download.completed())
