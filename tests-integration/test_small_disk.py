"""A disk much smaller than what is played: it plays to the end, and the cache stays sound."""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from commands import CommandLine
from kithara_assets import CacheDegraded, DiskFull, ResourceKey, asset_store
from kithara_file import Complete, FileSource
from kithara_hls import HlsSource, SessionFailed
from kithara_net import HttpClient
from kithara_net.testing import ThreadedServer

MIB = 1024 * 1024
CONTENT = os.urandom(16 * MIB)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(words, check=False).returncode:
        pytest.skip("this user may not mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_played_to_the_end_on_a_disk_that_is_too_small(disk: Path) -> None:
    with ThreadedServer() as server, asset_store(disk / "cache") as store:
        server.add("/large.wav", CONTENT)
        url = server.url("/large.wav")
        old = ResourceKey("old", "a.bin")
        with store.open_streaming_resource(old) as resource:
            await resource.write_at(0, bytes(MIB))
            await resource.commit(MIB)
        async with FileSource(url, store=store) as session:
            heard = session.events()
            with session.reader() as reader:
                digest = await asyncio.to_thread(hashlib.file_digest, reader, "sha256")
            assert digest.hexdigest() == hashlib.sha256(CONTENT).hexdigest()
            with pytest.raises(DiskFull):  # it is here, but not kept
                await session.wait_complete()
            events = []
            async for event in heard:
                events.append(event)
                if isinstance(event, Complete):
                    break
            assert sum(isinstance(event, CacheDegraded) for event in events) == 1
            with session.reader() as again:  # from memory and disk, and no byte twice
                assert await asyncio.to_thread(again.read) == CONTENT
        assert sum(request.sent for request in server.requests) == len(CONTENT)
        assert not (store.root / "old").exists()
        assert store.verify().dropped == ()
    with asset_store(disk / "cache") as store:
        assert store.verify().dropped == ()
        with store.open_streaming_resource(old) as resource:
            await resource.write_at(0, bytes(MIB))
            await resource.commit(MIB)


async def test_hls_on_a_disk_that_is_too_small(disk: Path) -> None:
    segments = [CONTENT[at : at + MIB] for at in range(0, 8 * MIB, MIB)]
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:4", "#EXT-X-PLAYLIST-TYPE:VOD"]
    with ThreadedServer() as server, asset_store(disk / "cache") as store:
        for number, segment in enumerate(segments):
            server.add(f"/{number}.aac", segment)
            lines += ["#EXTINF:4,", f"{number}.aac"]
        server.add("/list.m3u8", "\n".join([*lines, "#EXT-X-ENDLIST"]).encode())
        async with HttpClient() as net:
            source = HlsSource(server.url("/list.m3u8"), store=store, net=net)
            async with source as session:
                heard = session.events()
                with session.reader() as reader:
                    assert await asyncio.to_thread(reader.read) == b"".join(segments)
                with session.reader() as again:
                    assert await asyncio.to_thread(again.read) == b"".join(segments)
                with pytest.raises(DiskFull):
                    await session.download()
            events = [event async for event in heard]
        assert sum(isinstance(event, CacheDegraded) for event in events) == 1
        assert not any(isinstance(event, SessionFailed) for event in events)
        assert store.verify().dropped == ()


def test_a_disk_too_small_for_the_output(disk: Path) -> None:
    """Nothing is left of it, and one line says so, whatever is written."""
    with ThreadedServer() as server:
        noise = np.random.default_rng(1).uniform(-0.5, 0.5, (500_000, 2))
        soundfile.write(disk.parent / "a.wav", noise, 8000, subtype="PCM_24")
        server.serve_directory(disk.parent)
        command = CommandLine(disk.parent / "cache", disk)
        for name in ("a.wav", "a.raw", "a.flac"):
            (disk / "what else is there").write_bytes(bytes(3 * MIB))
            ran = command("decode", server.url("/a.wav"), "-o", disk / name)
            assert ran.code == 1
            assert ran.err.count("\n") == 1, ran.err
            assert [path.name for path in disk.iterdir()] == ["what else is there"], name


def test_decode_writes_all_of_it_and_says_that_it_is_not_kept(disk: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros((2_000_000, 2), np.int16), 44_100)
    with ThreadedServer() as server:
        server.add("/long.wav", tmp_path / "long.wav")
        decode = CommandLine(cache=disk / "cache", folder=tmp_path)
        ran = decode("decode", server.url("/long.wav"), "-o", tmp_path / "o.wav")
    assert ran.code == 0, ran.err
    assert "2000000 frames" in ran.out
    assert soundfile.info(tmp_path / "o.wav").frames == 2_000_000
    assert ran.err.startswith("kithara: the cache could not keep it: ")
    assert ran.err.count("\n") == 1
