"""Where the bytes of one session come from, and who brings them."""

import asyncio
import contextlib
import threading
from dataclasses import replace

from kithara_assets import (
    GenerationReplaced,
    OfflineMiss,
    ResourceKey,
    ResourceStatus,
    SpillingAssets,
    StorageError,
    StreamingResource,
)
from kithara_net import ContentChanged, Net, Retried, TraceEvent
from kithara_stream import Cancelled, EventChannel, Fetcher, TransferStats

from ._events import Changed, Connected, FileEvent, HoleFilled, Progress
from ._following import Following, begins, copy, soonest, wait_while
from ._options import FileOptions
from ._origin import HttpOrigin, shown
from ._place import Place
from ._rate import Rate
from ._resumption import Resumption
from ._revalidation import Revalidation
from ._version import Verdict, Version


class Retries:
    """A `Trace` that counts how often a net tried again."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, event: TraceEvent) -> None:
        """Called by the net."""
        self.count += isinstance(event, Retried)


class Download:
    """Fills one resource, or follows who does, until it is complete.

    Whoever opens a file first leads, and fetches it. Another session or process follows: it reads
    the same bytes as they arrive, and sends no request. It takes over when the leader is gone, and
    goes alone, with a copy of what is there, when the leader does not bring what its readers wait
    for; what the leader has in the end is copied as well. Belongs to the running loop; `resource`,
    `place` and what readers call may be used from any thread.
    """

    def __init__(
        self,
        url: str,
        *,
        store: SpillingAssets,
        net: Net,
        key: ResourceKey,
        options: FileOptions,
        channel: EventChannel[FileEvent],
        retries: Retries,
    ) -> None:
        self._url = url
        self._store = store
        self._net = net
        self._key = key
        self._options = options
        self._channel = channel
        self._rate = Rate()
        self._retries = retries
        self._paused = False
        self._loop = asyncio.get_running_loop()
        self._wanted = asyncio.Event()
        self._lock = threading.Lock()
        self._places: set[Place] = set()
        self._fetcher: Fetcher | None = None
        self._work: asyncio.Task[None] | None = None
        self._whole = options.whole
        self._held: Resumption | None = None
        self._offline_miss: OfflineMiss | None = None
        self._left: Version | None = None
        self.media_type: str | None = None

    @property
    def resource(self) -> StreamingResource:
        """The bytes; another one once this session goes alone, and the one before is closed."""
        assert self._held is not None, "opened"
        return self._held.resource

    @property
    def stats(self) -> TransferStats:
        """Requests, bytes from the network, bytes that were in the cache."""
        received = TransferStats() if self._fetcher is None else self._fetcher.stats
        return replace(
            received,
            bytes_cached=0 if self._held is None else self._held.kept,
            retries=received.retries + self._retries.count,
        )

    async def open(self) -> None:
        """Open or begin the resource; return once the server or the leader has answered."""
        while True:
            try:
                await self._open_or_follow()
            except GenerationReplaced:  # who leads began anew meanwhile, and nobody has read yet
                self.resource.close()
            else:
                return

    async def _open_or_follow(self) -> None:
        self._held = held = Resumption(self._open_resource(resume=True))
        if held.resource.following:
            begun = await begins(held.resource)
            if not self._options.offline and (begun or held.resource.following):
                if not begun:
                    await self._begin_alone()
                self._work = asyncio.create_task(self._bring())
                return
            self._held = held = Resumption(held.resource)
        await held.finish()
        if held.resource.status is not ResourceStatus.PARTIAL:
            if await self._is_outdated(held):
                await self._open_or_follow()
            return
        if self._options.offline:
            self._stay_offline(held)
        else:
            await self._connect()
            self._work = asyncio.create_task(self._bring())

    @property
    def busy(self) -> bool:
        """Whether bytes may still be brought."""
        return self._work is not None

    async def beginning(self, size: int) -> bytes:
        """The first bytes: so many, or all of a shorter file."""
        await self.resource.wait_range_async(0, size)
        return self.resource.read_at(0, size)

    async def ended(self) -> Exception | None:
        """Wait until nothing more is brought; answer why: None when complete."""
        if self._work is None:
            return self.outcome
        await asyncio.wait([self._work])
        if self._work.cancelled():
            return Cancelled("the session")
        error = self._work.exception()
        if error is None or isinstance(error, Exception):
            return error
        raise error

    async def wait_complete(self) -> None:
        """Bring all that is missing; raises what stood in the way."""
        self._whole = True
        if self._fetcher is not None:
            self._fetcher.fetch_whole()
        self._wanted.set()
        error = await self.ended()
        if error is None and self.resource.spilled:
            error = self._store.degraded
        if error is not None:
            raise error

    async def aclose(self) -> None:
        """End the requests, let the resource go. Idempotent."""
        try:
            if self._work is not None:
                self._work.cancel()
                await asyncio.wait([self._work])
            if self._fetcher is not None:
                await self._fetcher.aclose()
        finally:
            if self._held is not None:
                self._held.resource.close()

    def pause(self) -> None:
        """Read ahead no more, until `resume`."""
        self._paused = True
        if self._fetcher is not None:
            self._fetcher.pause()

    def resume(self) -> None:
        """Read ahead again."""
        self._paused = False
        if self._fetcher is not None:
            self._fetcher.resume()

    def place(self) -> Place:
        """A place for one more reader, at the start. Any thread may call."""
        place = Place(self._wake, self._leave)
        with self._lock:
            self._places.add(place)
            fetcher = self._fetcher
        if fetcher is not None:
            place.attach(fetcher)
        return place

    async def _is_outdated(self, held: Resumption) -> bool:
        """Ask the server, if that is due; True once the old version is out of the way."""
        checking = Revalidation(self._store, self._key, self._options.revalidate)
        if self._options.offline or not await checking.due(held):
            return False
        proof = Resumption(held.resource, pinned=True)
        error = await checking.change(self._origin(proof), held)
        if error is None:
            return False
        held.resource.close()
        gone = await checking.discard()
        self._channel.publish(Changed(error=error, reading="new" if gone else "old"))
        if not gone:
            self._held = Resumption(self._open_resource(resume=True))
        return gone

    def _origin(self, held: Resumption) -> HttpOrigin:
        return HttpOrigin(self._net, self._url, self._options.headers, held)

    def _open_resource(self, *, resume: bool) -> StreamingResource:
        return self._store.open_streaming_resource(self._key, resume=resume)

    def _stay_offline(self, held: Resumption) -> None:
        """Let what is here be read, and say of the rest that it is not."""
        url = shown(self._url)
        missing = held.missing() if held.kept else "the file"
        error = OfflineMiss(url=url, missing=missing)
        if not held.kept:
            raise error
        held.resource.fail(error)
        self._offline_miss = error

    @property
    def outcome(self) -> Exception | None:
        """Why nothing is brought, where nothing is; None if all of it is here."""
        resource = self.resource
        if resource.status is ResourceStatus.CLOSED:
            return Cancelled("the session")
        if resource.status is ResourceStatus.COMPLETE:
            return None
        assert self._offline_miss is not None
        return self._offline_miss

    # Leading, or going alone.

    async def _connect(self) -> None:
        assert self._held is not None
        held = self._held
        origin = self._origin(held)
        fetcher = Fetcher(
            origin,
            held.resource,
            look_ahead=self._options.look_ahead,
            on_progress=self._progressed,
            on_filled=self._filled,
        )
        with self._lock:
            self._fetcher = fetcher
            places = sorted(self._places, key=lambda place: place.waiting_since or 0.0)
        for place in places:  # who waits comes last, and so first
            place.attach(fetcher)
        head = await fetcher.start()
        self.media_type = origin.media_type
        if self._whole:
            fetcher.fetch_whole()
        if self._paused:
            fetcher.pause()
        event = Connected(
            url=shown(origin.final_url),
            total=head.total,
            seekable=head.accepts_ranges,
            resumed=held.kept,
        )
        self._channel.publish(event)

    async def _bring(self) -> None:
        if self._fetcher is None:
            await self._follow()
        if self._fetcher is None:
            return
        taking = asyncio.create_task(self._take_over_bytes(self._fetcher))
        try:
            error = await self._fetcher.ended()
        finally:
            taking.cancel()
            await asyncio.wait([taking])
        failed = error if taking.cancelled() else error or taking.exception()
        if failed is not None:
            raise failed

    # Following.

    async def _follow(self) -> None:
        """Until the resource is complete, or this session fetches itself."""
        resource = self.resource
        leading = asyncio.create_task(resource.lead())
        leading.add_done_callback(lambda _: self._wanted.set())
        following = Following(resource)
        try:
            while not leading.done():
                with self._lock:
                    places = list(self._places)
                patience = soonest(following.patience(place) for place in places)
                if self._whole:
                    patience = soonest((patience, following.patience_for_all()))
                if patience is not None and patience <= 0:
                    await self._go_alone()
                    return
                await wait_while(self._wanted, patience)
        finally:
            following.close()
            leading.cancel()
            await asyncio.wait([leading])
        if leading.result():
            self._held = held = Resumption(resource, pinned=True)
            await held.finish()
            if resource.status is ResourceStatus.PARTIAL:
                await self._connect()

    async def _go_alone(self) -> None:
        """Fetch into bytes of its own from now on, which begin with a copy of those followed."""
        before = self.resource
        own = self._open_resource(resume=False)
        try:
            if own.status is ResourceStatus.PARTIAL:
                await copy(before, own)
        except BaseException:
            own.close()
            raise
        self._held = Resumption(own)
        if self._held.kept:
            self._left = Resumption(before).version
            self._held = Resumption(own, version=self._left, pinned=True)
        before.close()  # who waits there goes on here
        await self._held.finish()
        if own.status is ResourceStatus.PARTIAL:
            await self._connect()

    async def _begin_alone(self) -> None:
        """Go alone before anybody has read: where the copy is outdated, with none."""
        try:
            await self._go_alone()
        except ContentChanged:
            self.resource.close()
            self._left = None
            self._held = Resumption(self._open_resource(resume=False))
            await self._connect()

    async def _take_over_bytes(self, fetcher: Fetcher) -> None:
        """Copy what is missing here once who was left has all of it, or is gone.

        What goes wrong there brings nothing; what goes wrong here the fetcher meets as well.
        """
        if self._left is None:
            return
        own = self.resource
        with contextlib.suppress(StorageError), self._open_resource(resume=True) as leaders:
            await leaders.lead()
            brought = Version.from_identity(leaders.identity or {})
            if brought.compare(self._left) is Verdict.SAME:
                await copy(leaders, own)
                if own.length is not None and own.next_hole(0, own.length) is None:
                    fetcher.fetch_whole()  # and it finds that nothing is left to fetch

    def _progressed(self, received: int) -> None:
        rate = self._rate.after(received, self._loop.time())
        event = Progress(received=received, total=self.resource.length, rate=rate)
        self._channel.publish(event, droppable=True)

    def _filled(self, start: int, stop: int) -> None:
        self._channel.publish(HoleFilled(start=start, stop=stop))

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # a closed loop follows nobody
            self._loop.call_soon_threadsafe(self._wanted.set)

    def _leave(self, place: Place) -> None:
        with self._lock:
            self._places.discard(place)
