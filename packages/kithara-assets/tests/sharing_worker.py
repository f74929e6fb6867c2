"""One of several processes that want the same URL: a small fetcher on the store.

`python sharing_worker.py ROOT URL`; says on its output, a line each, what it does and when
(monotonic seconds, the same clock in every process): `follows` and `leads` with how many bytes are
there, and in the end `read SHA-256`.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
import urllib.request

from kithara_assets import AssetId, ResourceKey, StreamingResource, asset_store

PIECE = 16 * 1024


def say(*words: object) -> None:
    """Tell the test."""
    print(*words, time.monotonic(), flush=True)  # noqa: T201  # the output is what the test reads


async def fill(resource: StreamingResource, url: str) -> None:
    """Fetch what is missing from the first hole on, and commit."""
    start = resource.available(0)
    say("leads", start)
    if start:
        resource.confirm()
    else:
        resource.restart({"url": url})
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"})
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: ASYNC210  # it has nothing else to do
        total = int(answer.headers["Content-Range"].rpartition("/")[2])
        resource.set_length(total)
        at = start
        while piece := answer.read1(PIECE):
            await resource.write_at(at, piece)
            await resource.flush()
            at += len(piece)
    await resource.commit(total)


async def main(root: str, url: str) -> None:
    """Lead or follow, until all is here."""
    key = ResourceKey(AssetId.from_url(url).asset_root, "song.bin")
    with asset_store(root) as store, store.open_streaming_resource(key, resume=True) as resource:
        if resource.following:
            await resource.wait_range_async(0, PIECE)
            say("follows", resource.available(0))
        if await resource.lead():
            await fill(resource, url)
        assert resource.length is not None
        assert resource.wait_range(0, resource.length, 30) == "ready"
        say("read", hashlib.sha256(resource.read_at(0, resource.length)).hexdigest())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
