"""Readers may block in every thread of the loop's own pool; nothing of ours waits for one."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kithara_assets import asset_store
from kithara_file import FileOptions, FileSource
from kithara_hls import HlsSource
from kithara_net import HttpClient
from kithara_net.testing import ThreadedServer

AAC = bytes(range(256)) * 500


@pytest.fixture
async def crowded() -> AsyncIterator[None]:
    """The pool has one thread, and somebody waits in it."""
    gate = threading.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    waiting = asyncio.create_task(asyncio.to_thread(gate.wait))
    yield
    gate.set()
    await waiting


@pytest.mark.timeout(30)
async def test_files_and_hls_need_no_thread_of_the_pool(crowded: None, tmp_path: Path) -> None:
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.aac\n#EXT-X-ENDLIST"
    with ThreadedServer() as server, asset_store(tmp_path / "cache") as store:
        server.add("/a.aac", AAC)
        server.add("/list.m3u8", playlist.encode())
        for _ in range(2):  # from the network, and from the cache
            async with HttpClient() as net:
                always = FileOptions(revalidate="always")
                file = FileSource(server.url("/a.aac"), store=store, net=net, options=always)
                async with file as session:
                    await session.wait_complete()
                async with HlsSource(server.url("/list.m3u8"), store=store, net=net) as recording:
                    await recording.download()
                    assert await recording.is_complete()
            server.add("/a.aac", AAC[::-1])  # the next round meets another version
