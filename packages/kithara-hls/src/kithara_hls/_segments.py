"""One part after the other: from the cache or the network into the byte space."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

from kithara_assets import Assets, OfflineMiss, ResourceKey, ResourceStatus, StreamingResource
from kithara_net import ByteStream, Net, UnexpectedStatus

from ._cipher import BLOCK, SegmentCipher
from ._errors import SegmentInvalid
from ._events import HlsEvent, SegmentComplete, SegmentStarted
from ._keys import KeyRing
from ._names import CacheNames
from ._parts import Part, PartTable
from ._plan import PlannedPart
from ._tally import Tally
from ._urls import redacted

__all__ = ("SegmentFetcher",)

_EXPIRED: Final = frozenset((401, 403, 404, 410))  # how servers refuse a token of yesterday


class SegmentFetcher:
    """Lays planned parts into a table, each once there is demand. Belongs to the event loop."""

    def __init__(
        self,
        *,
        store: Assets,
        net: Net,
        offline: bool,
        segment_names: CacheNames,
        init_names: CacheNames,
        keys: KeyRing,
        table: PartTable,
        refresh: Callable[[PlannedPart], Awaitable[PlannedPart | None]],
        tally: Tally,
        publish: Callable[[HlsEvent], None],
    ) -> None:
        self._store = store
        self._net = net
        self._offline = offline
        self._segment_names = segment_names
        self._init_names = init_names
        self._keys = keys
        self._table = table
        self._refresh = refresh
        self._tally = tally
        self._publish = publish
        self._met: set[ResourceKey] = set()  # an init section may come again

    async def lay(self, planned: PlannedPart) -> None:
        """Deliver one part; returns when it is complete in the cache.

        Raises OfflineMiss, KeyInvalid, SegmentInvalid, or an error of net or store.
        """
        await self._table.wait_demand(self._table.end)
        try:
            cipher = await self._cipher(planned)
        except UnexpectedStatus as error:
            planned = await self._renewed(planned, error)
            cipher = await self._cipher(planned)
        names = self._init_names if planned.index is None else self._segment_names
        key = names.key(planned.url, planned.byte_range)
        resource = self._store.open_streaming_resource(key)
        cached = resource.status is ResourceStatus.COMPLETE
        if self._offline and not cached:
            resource.close()
            what = "an init section" if planned.index is None else f"segment {planned.index}"
            raise OfflineMiss(url=redacted(planned.url), missing=what)
        part = Part(
            key=key,
            url=planned.url,
            index=planned.index,
            start=self._table.end,
            span=planned.span,
            ends_span=planned.ends_span,
            cipher=cipher,
            resource=resource,
        )
        self._table.lay(part)
        url = redacted(planned.url)
        self._publish(SegmentStarted(index=planned.index, url=url, cached=cached))
        if cached:
            size = resource.length or 0
            self._tally.bytes_cached += 0 if key in self._met else size
            self._table.set_size(part, self._check(planned, part, resource, size))
        else:
            size = await self._receive(planned, part, resource)
            self._table.set_size(part, self._check(planned, part, resource, size))
            await resource.commit(size)
        self._met.add(key)
        self._table.finish(part)
        self._publish(SegmentComplete(index=planned.index, url=url, size=size, cached=cached))

    async def _cipher(self, planned: PlannedPart) -> SegmentCipher | None:
        if planned.key is None:
            return None
        key = await self._keys.get(planned.key, segment_url=planned.url)
        return SegmentCipher(key, planned.key.iv, key_url=planned.key.url)

    async def _receive(self, planned: PlannedPart, part: Part, resource: StreamingResource) -> int:
        """Store the body as it arrives, no faster than it is wanted; answer its size."""
        stored = 0
        async with AsyncExitStack() as stack:
            try:
                body = await self._request(planned, stack)
            except UnexpectedStatus as error:
                body = await self._request(await self._renewed(planned, error), stack)
            skip, wanted = 0, body.head.total
            if planned.byte_range is not None and planned.byte_range.stop is not None:
                # A server that ignores ranges answers with the whole file.
                skip = planned.byte_range.start - body.head.start
                wanted = planned.byte_range.stop - planned.byte_range.start
            if wanted is not None:
                self._check_size(planned, wanted)
                resource.set_length(wanted)
                if part.cipher is None:
                    self._table.set_size(part, wanted)
            async for chunk in body:
                self._tally.bytes_received += len(chunk)
                dropped = min(skip, len(chunk))
                skip -= dropped
                piece = chunk[dropped:]
                if wanted is not None:
                    piece = piece[: wanted - stored]
                if piece:
                    await resource.write_at(stored, piece)
                    stored += len(piece)
                if stored == wanted:
                    if body.head.status == 200 and planned.byte_range is not None:
                        break  # the rest of the file is for others
                elif piece:
                    await self._table.wait_demand(part.start + stored, begun=True)
        if wanted is not None and stored < wanted:
            raise SegmentInvalid(f"it has {stored} bytes instead of {wanted}", url=planned.url)
        await resource.flush()
        return stored

    async def _request(self, planned: PlannedPart, stack: AsyncExitStack) -> ByteStream:
        self._tally.requests += 1
        if planned.byte_range is not None:
            answer = self._net.get_range(planned.url, planned.byte_range)
        else:
            answer = self._net.stream(planned.url)
        return await stack.enter_async_context(answer)

    async def _renewed(self, planned: PlannedPart, error: UnexpectedStatus) -> PlannedPart:
        """The part with a URL that has not expired; raises `error` if there is none."""
        renewed = await self._refresh(planned) if error.status in _EXPIRED else None
        if renewed is None:
            raise error
        return renewed

    def _check_size(self, planned: PlannedPart, size: int) -> None:
        key_url = planned.key.url if planned.key is not None else None
        if size == 0:
            raise SegmentInvalid("it is empty", url=planned.url, key_url=key_url)
        if key_url is not None and size % BLOCK:
            reason = f"its {size} bytes are not a multiple of 16, so they are not AES-128-CBC"
            raise SegmentInvalid(reason, url=planned.url, key_url=key_url)

    def _check(
        self, planned: PlannedPart, part: Part, resource: StreamingResource, size: int
    ) -> int:
        """Validate the whole part; answer how many bytes it has for readers."""
        self._check_size(planned, size)
        if part.cipher is None:
            return size
        before = BLOCK if size > BLOCK else 0
        tail = resource.read_at(size - BLOCK - before, BLOCK + before)
        padding = part.cipher.padding(tail[:before], tail[before:])
        if padding is None:
            reason = "its padding is wrong, so it is damaged or the key is not the right one"
            raise SegmentInvalid(reason, url=planned.url, key_url=part.cipher.key_url)
        return size - padding
