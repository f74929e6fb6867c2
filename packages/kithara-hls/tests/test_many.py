"""Many sessions over a server that misbehaves; ``python tests/test_many.py 500`` for more."""

import asyncio
import gc
import random
import re
import resource
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kithara_assets import Assets, DiskAssetStore, asset_store
from kithara_hls import HlsError, HlsOptions, HlsSource, PlaylistInvalid, SegmentLost
from kithara_net import HttpClient, NetError, NetOptions, RetryPolicy, UnexpectedStatus
from kithara_net.testing import Behaviour, Server

SEGMENTS, SECONDS, SIZE = 12, 50, 3000  # ten minutes, in little
RETRIES = 2
MIB = 1024 * 1024

# A stall is ended by the client, sooner than a listener would want it to. A server that says more
# bytes than it sends is found out; of fewer nobody can tell, unless a range was asked for.
HASTY = NetOptions(connections_per_host=32, first_byte_timeout=1.0, stall_timeout=1.0)

SOFT: tuple[Behaviour, ...] = (
    {"status": 404},
    {"status": 503},
    {"cut_after": 0},
    {"cut_after": 700},
    {"reset_after": 900},
    {"chunked": True},
    {"chunked": True, "cut_after": 2000},
    {"ignore_range": True},
    {"close": True},
    {"bytes_per_second": 30_000, "piece_size": 400},
)
"""What asking again overcomes, or needs no overcoming."""
HARD: tuple[Behaviour, ...] = (
    {"stall_head": True},
    {"stall_after": 1000},
    {"rotate_etag": True, "cut_after": 1500},
    {"content_length": SIZE + 500, "close": True},
    {"raw": b"nonsense\r\n\r\n"},
)
"""What may cost a variant; some is overcome, but late."""
FOR_EVER: tuple[Behaviour, ...] = ({"status": 404}, {"status": 503}, {"raw": b"no HTTP\r\n\r\n"})
LISTS: tuple[tuple[Behaviour, type[Exception]], ...] = (
    ({"status": 404}, UnexpectedStatus),
    ({"new_content": b"<html>please log in"}, PlaylistInvalid),
)


@dataclass(frozen=True)
class Show:
    """A recording in two variants, and how its playing must end."""

    url: str
    bodies: list[list[bytes]]
    ends: type[Exception] | None
    stop: int
    """The segment that is lost; all of them where none is, none of them without a playlist."""


def publish(server: Server, number: int) -> Show:
    """One of five kinds: faults that pass (two of these), that one variant or both never lose."""
    chance = random.Random(number)
    bodies = [[chance.randbytes(SIZE) for _ in range(SEGMENTS)] for _ in range(2)]
    kind, stop = number % 5, SEGMENTS
    ends: type[Exception] | None = None
    served = [
        [
            server.add(f"/{number}/{bandwidth}/{index}.ts", body)
            for index, body in enumerate(segments)
        ]
        for bandwidth, segments in enumerate(bodies, 1)
    ]
    for variant in served:
        for one in chance.sample(variant, 4):
            one.script = [chance.choice(SOFT) for _ in range(chance.randint(1, RETRIES))]
    chance.choice(served[1]).script = [chance.choice(HARD)]
    if kind in (2, 3):
        at, fault = chance.randrange(SEGMENTS), chance.choice(FOR_EVER)
        for variant in served[3 - kind :]:
            variant[at].script, variant[at].behaviour = [], fault
        if kind == 3:
            ends, stop = SegmentLost, at
    lasting: Behaviour = {}
    if kind == 4:
        (lasting, ends), stop = LISTS[number // 5 % 2], 0
    lines = ["#EXTM3U", "#EXT-X-PLAYLIST-TYPE:VOD"]
    for index in range(SEGMENTS):
        lines += [f"#EXTINF:{SECONDS},", f"{index}.ts"]
    master = ["#EXTM3U"]
    for bandwidth in (1, 2):
        path = f"{bandwidth}/list.m3u8"
        server.add(f"/{number}/{path}", "\n".join(lines).encode(), **lasting)
        master += [f"#EXT-X-STREAM-INF:BANDWIDTH={bandwidth}", path]
    server.add(f"/{number}/master.m3u8", "\n".join(master).encode())
    return Show(server.url(f"/{number}/master.m3u8"), bodies, ends, stop)


def is_whole(heard: bytes, show: Show) -> bool:
    """Every segment is there in its order, from either variant; some after a piece of the other."""
    at = 0
    for number in range(show.stop):
        ends = [
            found + SIZE
            for found in (heard.find(variant[number], at) for variant in show.bodies)
            if at <= found <= at + SIZE
        ]
        if not ends:
            return False
        at = min(ends)
    return at == len(heard)


async def play(show: Show, store: Assets, net: HttpClient) -> tuple[bytes, Exception | None]:
    """Play one: what was heard, and the error that ended it.

    Its reader has a thread of its own: the loop's few are what the store works with.
    """
    policy = RetryPolicy(max_retries=RETRIES, base_delay=0)
    options = HlsOptions(variant="best", retry=policy)
    heard = bytearray()
    try:
        with ThreadPoolExecutor(1) as own:
            async with HlsSource(show.url, store=store, net=net, options=options) as session:
                assert session.duration == 600
                with session.reader().buffered() as reader:
                    loop = asyncio.get_running_loop()
                    while chunk := await loop.run_in_executor(own, reader.read1, 64 * 1024):
                        heard += chunk
    except (HlsError, NetError) as error:
        return bytes(heard), error
    return bytes(heard), None


async def play_all(server: Server, store: Assets, numbers: range) -> list[type[Exception] | None]:
    """Play so many at once; every one ends as it must, and has heard all that came before."""
    shows = [publish(server, number) for number in numbers]
    async with HttpClient(HASTY) as net:
        ended = await asyncio.gather(*(play(show, store, net) for show in shows))
    for show, (heard, error) in zip(shows, ended, strict=True):
        assert (type(error) if error is not None else None) is show.ends, (show.url, error)
        assert is_whole(heard, show), show.url
        if isinstance(error, SegmentLost):
            assert (error.index, error.start) == (show.stop, show.stop * SECONDS)
    return [show.ends for show in shows]


def alive() -> Counter[str]:
    """How many objects there are of each of the package's own types."""
    gc.collect()
    kinds = Counter(map(type, gc.get_objects()))
    own = {kind: n for kind, n in kinds.items() if str(kind.__module__).startswith("kithara_hls")}
    return Counter({kind.__name__: n for kind, n in own.items()})


async def test_fifty_sessions_end_complete_or_with_their_error(
    server: Server, store: DiskAssetStore, nothing_left: None
) -> None:
    before, used = alive(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ended = await play_all(server, store, range(50))
    assert [ended.count(end) for end in (None, SegmentLost)] == [30, 10]
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used) * unit < 100 * MIB
    assert store.verify().dropped == ()
    names = [path.name for path in store.root.rglob("*")]
    assert [name for name in names if re.search(r"\.[0-9a-f]{16}\.part$", name)] == []
    store.close()  # its threads hold on to what they did last
    assert alive() - before == Counter()


async def main(count: int) -> None:
    """Rounds of fifty."""
    with tempfile.TemporaryDirectory() as folder:
        for begin in range(0, count, 50):
            with asset_store(Path(folder) / str(begin)) as store:
                async with Server() as server:
                    ended = await play_all(server, store, range(begin, begin + 50))
                    sys.stdout.write(f"{ended.count(None)} of {len(ended)} complete\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
