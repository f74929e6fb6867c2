"""Every choice of a variant and its reason, over a line of so many kbit/s.

Needs: pip install 'kithara[av]'
Usage: abr_log.py MASTER_URL KBIT [SPEED, 1 is real time]
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import kithara
from kithara_hls import VariantSelected
from kithara_net import ByteStream, HttpClient, RangeSpec, ResponseHead


class SlowBody:
    """A body whose bytes take their time."""

    def __init__(self, body: ByteStream, rate: float) -> None:
        self.head: ResponseHead = body.head
        self._body, self._rate = body, rate

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._body:
            await asyncio.sleep(len(piece) / self._rate)
            yield piece


class SlowClient(HttpClient):
    """A client over a line of `rate` bytes per second for each transfer; any `Net` will do."""

    rate = 8000.0

    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        return self._slowly(super().stream(url, headers=headers))

    def get_range(
        self, url: str, byte_range: RangeSpec, *, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        return self._slowly(super().get_range(url, byte_range, headers=headers))

    @asynccontextmanager
    async def _slowly(
        self, opening: AbstractAsyncContextManager[ByteStream]
    ) -> AsyncIterator[ByteStream]:
        async with opening as body:
            yield SlowBody(body, self.rate)


async def main(url: str, kbit: float, speed: float = 1.0) -> None:
    async with SlowClient() as net:
        net.rate = kbit * 1000 / 8 * speed
        async with kithara.aopen(url, net=net, variant="auto") as track:

            async def log() -> None:
                async for event in track.events():
                    if isinstance(event, VariantSelected):
                        variant = event.variant
                        print(
                            f"segment {event.index}: variant {variant.index}, "
                            f"{variant.bandwidth / 1000:.0f} kbit/s ({event.reason})"
                        )

            logger = asyncio.create_task(log())
            async for block in track.ablocks(seconds=1):
                await asyncio.sleep(len(block.data) / block.spec.sample_rate / speed)
            logger.cancel()
            print(f"heard {track.position:.0f} s, waited {track.decoding.underruns} times")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(float, sys.argv[2:])))
