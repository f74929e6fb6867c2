"""Virtual time for a real session: a loop whose clock jumps, a net that follows a trace.

Nothing waits: as long as no thread works for the loop, its clock goes on to the next timer at
once. The disk's threads are waited for in real time, during which the clock stands.
"""

import asyncio
import random
import selectors
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar, TypeVarTuple

from kithara_assets import AtomicResource, MemoryAssetStore, ResourceKey, StreamingResource
from kithara_net import ByteStream, FetchedBytes, RangeSpec, ResponseHead

__all__ = ("HEADER", "Site", "TraceNet", "VirtualLoop", "VirtualStore", "run")

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

HEADER: Final = struct.Struct(">III")  # variant, index and size, at the begin of each segment
_CHUNK: Final = 4096
_HANGS: Final = 60.0  # real seconds without a sign of the threads that are waited for


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands while it works and jumps while it would wait."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since it was made."""
        return self._jumping.now

    async def real(self, work: Awaitable[_T]) -> _T:
        """Await what a thread does; until then the clock stands."""
        self._jumping.threads += 1
        try:
            return await work
        finally:
            self._jumping.threads -= 1

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts
    ) -> "asyncio.Future[_T]":
        """As every loop's, but the clock stands until it is done."""
        self._jumping.threads += 1
        future = super().run_in_executor(executor, func, *args)

        def over(_: object) -> None:
            self._jumping.threads -= 1

        future.add_done_callback(over)
        return future


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run to the end on a virtual loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class _Jumping(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.threads or timeout is None:
            ready = super().select(_HANGS)
            if not ready:
                raise RuntimeError("nothing happens any more")
            return ready
        self.now += timeout
        return []


class VirtualStore:
    """A store in memory whose writing takes no virtual time."""

    def __init__(self) -> None:
        self._store = MemoryAssetStore()

    def open_atomic_resource(self, key: ResourceKey) -> AtomicResource:
        """As the store's."""
        return self._store.open_atomic_resource(key)

    def open_streaming_resource(
        self, key: ResourceKey, *, resume: bool = False
    ) -> StreamingResource:
        """As the store's, with waits that stop the clock."""
        resource: Any = _Patient(self._store.open_streaming_resource(key, resume=resume))
        found: StreamingResource = resource
        return found

    def close(self) -> None:
        """As the store's."""
        self._store.close()


class _Patient:
    """A streaming resource whose awaits are waited for in real time."""

    def __init__(self, resource: StreamingResource) -> None:
        self._resource: Any = resource

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._resource, name)
        if name not in ("write_at", "flush", "commit"):
            return found
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)

        def waited(*args: object, **named: object) -> Awaitable[object]:
            return loop.real(found(*args, **named))

        return waited


class Carrier(Protocol):
    """What a trace can tell: when so many bits, sent from a time on, have come."""

    def finish(self, t: float, bits: float) -> float: ...


class Site:
    """An HLS recording of no sound: each segment says which one it is, and is as long as told.

    ``sizes`` are bytes, for each segment and variant; ``durations`` seconds, ``bitrates`` bit/s.
    """

    URL = "http://virtual/master.m3u8"

    def __init__(
        self,
        bitrates: tuple[float, ...],
        durations: tuple[float, ...],
        sizes: tuple[tuple[float, ...], ...],
    ) -> None:
        self._sizes = sizes
        lines = ["#EXTM3U"]
        for number, rate in enumerate(bitrates):
            bandwidth = f"BANDWIDTH={round(rate)},AVERAGE-BANDWIDTH={round(rate)}"
            lines.append(f"#EXT-X-STREAM-INF:{bandwidth}\n{number}/list.m3u8")
        self._master = "\n".join(lines).encode()
        listed = [f"#EXTINF:{seconds:.3f},\n{n}.ts" for n, seconds in enumerate(durations)]
        head = f"#EXTM3U\n#EXT-X-TARGETDURATION:{round(max(durations)) + 1}"
        self._list = "\n".join([head, *listed, "#EXT-X-ENDLIST"]).encode()

    def body(self, url: str) -> bytes:
        """What lies there."""
        *_, variant, name = url.split("/")
        if name == "master.m3u8":
            return self._master
        if name == "list.m3u8":
            return self._list
        number = int(name.removesuffix(".ts"))
        size = int(self._sizes[number][int(variant)])
        return HEADER.pack(int(variant), number, size).ljust(size, b"\0")


class TraceNet:
    """A net over one path: each request waits a round trip, and all bodies share the trace.

    ``start`` is the trace's second at the loop's zero, ``rtt`` seconds, each a little other.
    """

    def __init__(self, carrier: Carrier, site: Site, *, start: float, rtt: float) -> None:
        self.site = site
        self._carrier = carrier
        self._start = start
        self._rtt = rtt
        self._free_at = 0.0
        self._random = random.Random(1)
        self.bytes = 0

    async def get_bytes(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        byte_range: RangeSpec | None = None,
        max_bytes: int = 0,
    ) -> FetchedBytes:
        """A whole body."""
        async with self.stream(url) as body:
            return FetchedBytes(head=body.head, body=b"".join([piece async for piece in body]))

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[ByteStream]:
        """A body as it arrives."""
        body = self.site.body(url)
        await asyncio.sleep(self._rtt * self._random.lognormvariate(0.0, 0.25))
        yield _Body(self, url, body)

    @asynccontextmanager
    async def get_range(
        self, url: str, byte_range: RangeSpec, *, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[ByteStream]:
        """Everything, as a server does that knows no ranges."""
        async with self.stream(url) as body:
            yield body

    async def head(self, url: str, *, headers: Mapping[str, str] | None = None) -> ResponseHead:
        """What is told of a body."""
        return _head(url, len(self.site.body(url)))

    async def carry(self, size: int) -> None:
        """Until the path has carried so many bytes, behind all that was sent before."""
        loop = asyncio.get_running_loop()
        begin = max(loop.time(), self._free_at)
        self._free_at = self._carrier.finish(self._start + begin, 8.0 * size) - self._start
        self.bytes += size
        await asyncio.sleep(self._free_at - loop.time())


class _Body:
    def __init__(self, net: TraceNet, url: str, body: bytes) -> None:
        self._net = net
        self._body = body
        self.head = _head(url, len(body))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._body), _CHUNK):
            piece = self._body[at : at + _CHUNK]
            await self._net.carry(len(piece))
            yield piece


def _head(url: str, size: int) -> ResponseHead:
    return ResponseHead(
        status=200,
        final_url=url,
        headers={"Content-Length": str(size)},
        start=0,
        stop=size,
        total=size,
        validator=None,
        accepts_ranges=False,
        media_type=None,
    )
