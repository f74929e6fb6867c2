"""Fetch an announcement with the session of the application, within a deadline.

Needs: pip install kithara. In Home Assistant, `session` is async_get_clientsession(hass).
"""

import asyncio
import sys
from collections.abc import Callable

import aiohttp

import kithara
from kithara_file import Progress
from kithara_net import HttpClient, RetryNet


async def announce(
    session: aiohttp.ClientSession, url: str, set_progress: Callable[[int, int | None], None]
) -> float:
    """Have all of a URL in the cache; answer how many seconds of sound it holds."""
    net = RetryNet(HttpClient(session=session))  # uses your session, and never closes it
    async with asyncio.timeout(30), kithara.aopen(url, net=net) as track:

        async def watch() -> None:
            async for event in track.events():
                if isinstance(event, Progress):
                    set_progress(event.received, event.total)

        watcher = asyncio.create_task(watch())
        await track.await_complete()
        watcher.cancel()
        set_progress(track.length or 0, track.length)
        return track.duration or 0.0


async def main(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        seconds = await announce(session, url, lambda got, total: print(f"{got} of {total} bytes"))
        print(f"{seconds:.1f} s of sound; the session is still open: {not session.closed}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
