"""Many sessions over a server that misbehaves; ``python tests/test_many.py 500`` for more."""

import asyncio
import random
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kithara_assets import Assets, MemoryAssetStore, asset_store
from kithara_hls import HlsError, HlsOptions, HlsSource
from kithara_net import HttpClient, NetError, RetryPolicy
from kithara_net.testing import Server

Record = Callable[..., Any]

FAULTS: tuple[dict[str, Any], ...] = (
    {"status": 404},
    {"status": 503},
    {"cut_after": 700},
    {"reset_after": 900},
    {"chunked": True},
    {"ignore_range": True},
    {"close": True},
    {"rotate_etag": True, "cut_after": 1500},
    {"raw": b"nonsense\r\n\r\n"},
)


def publish(server: Server, number: int) -> tuple[str, list[list[bytes]]]:
    """Two variants of six segments, some of which fail now and then, or always."""
    chance = random.Random(number)
    bodies = [[chance.randbytes(3000) for _ in range(6)] for _ in range(2)]
    master = ["#EXTM3U"]
    for variant, segments in enumerate(bodies):
        folder = f"/{number}/{variant}"
        lines = ["#EXTM3U", "#EXT-X-PLAYLIST-TYPE:VOD"]
        for index, body in enumerate(segments):
            resource = server.add(f"{folder}/{index}.ts", body)
            for _ in range(chance.choice((0, 0, 0, 1, 2, 40))):
                resource.script.append(chance.choice(FAULTS))  # type: ignore[arg-type] # a Behaviour
            lines += ["#EXTINF:2,", f"{index}.ts"]
        server.add(f"{folder}/list.m3u8", "\n".join(lines).encode())
        master += [f"#EXT-X-STREAM-INF:BANDWIDTH={variant + 1}", f"{variant}/list.m3u8"]
    server.add(f"/{number}/master.m3u8", "\n".join(master).encode())
    return server.url(f"/{number}/master.m3u8"), bodies


def is_whole(heard: bytes, bodies: list[list[bytes]]) -> bool:
    """Every segment is there in its order, from either variant; some after a piece of the other."""
    at = 0
    for number in range(6):
        ends = [
            found + 3000
            for found in (heard.find(bodies[v][number], at) for v in range(2))
            if at <= found <= at + 3000
        ]
        if not ends:
            return False
        at = min(ends)
    return at == len(heard)


async def play(url: str, bodies: list[list[bytes]], store: Assets, net: HttpClient) -> bool:
    """Play one; True if it ended complete, False if by a typed error.

    Its reader has a thread of its own: the loop's few are what the store works with.
    """
    options = HlsOptions(variant="best", retry=RetryPolicy(max_retries=2, base_delay=0))
    try:
        with ThreadPoolExecutor(1) as own:
            async with HlsSource(url, store=store, net=net, options=options) as session:
                loop = asyncio.get_running_loop()
                heard = await loop.run_in_executor(own, session.reader().read)
    except (HlsError, NetError):
        return False
    assert is_whole(heard, bodies)
    return True


async def test_fifty_sessions_end_complete_or_with_their_error(
    server: Server, net: HttpClient, nothing_left: None
) -> None:
    made = [publish(server, number) for number in range(50)]
    with MemoryAssetStore() as store:
        ended = await asyncio.gather(*(play(url, bodies, store, net) for url, bodies in made))
    assert 10 < sum(ended) < 50


async def main(count: int) -> None:
    """Rounds of fifty."""
    with tempfile.TemporaryDirectory() as folder:
        for begin in range(0, count, 50):
            with asset_store(Path(folder) / str(begin)) as store:
                async with Server() as server, HttpClient() as net:
                    made = [publish(server, begin + n) for n in range(50)]
                    ended = await asyncio.gather(*(play(*one, store, net) for one in made))
                    sys.stdout.write(f"{sum(ended)} of {len(ended)} complete\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
