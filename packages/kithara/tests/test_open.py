import asyncio
import threading
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import kithara
from _kithara._urls import shown
from kithara_assets import DiskAssetStore, OfflineMiss, asset_store
from kithara_decode import CorruptAudio, UnsupportedFormat
from kithara_file import Unreadable
from kithara_net import HttpClient, RangeSpec, UnexpectedStatus
from kithara_net.testing import Server, ThreadedServer

Tone = npt.NDArray[np.float32]


def samples(track: kithara.Track) -> Tone:
    return np.concatenate([chunk.data for chunk in track])


def test_a_url_is_its_samples(server: ThreadedServer, tone: Tone, cache: Path) -> None:
    with kithara.open(server.url("/tone.wav"), cache=cache) as track:
        assert track.kind == "file"
        assert track.container == "wav"
        assert track.spec == kithara.PcmSpec(sample_rate=8000, channels=2)
        assert track.duration == 2.0
        assert track.variants == ()
        assert track.position == 0
        assert np.array_equal(samples(track), tone)
        assert track.position == 2.0
        track.wait_complete()


def test_chunks_follow_each_other(server: ThreadedServer, cache: Path) -> None:
    with kithara.open(server.url("/tone.wav"), cache=cache) as track:
        expected = 0
        for chunk in track:
            assert chunk.start == expected
            assert chunk.spec == track.spec
            assert chunk.data.dtype == np.float32
            assert chunk.data.flags.c_contiguous
            expected += len(chunk.data)


def test_offline_takes_what_was_fetched(
    server: ThreadedServer, tone: Tone, wav: bytes, cache: Path
) -> None:
    url = server.url("/tone.wav")
    seen: list[tuple[int, int | None]] = []
    stats = kithara.fetch(
        url, cache=cache, on_progress=lambda s, total: seen.append((s.bytes_received, total))
    )
    assert (stats.requests, stats.bytes_received, stats.bytes_cached) == (1, len(wav), 0)
    assert seen[-1] == (len(wav), len(wav))
    assert kithara.fetch(url, cache=cache).bytes_cached == len(wav)
    server.close()
    with kithara.open(url, cache=cache, offline=True) as track:
        assert np.array_equal(samples(track), tone)
        assert track.stats == kithara.TransferStats(bytes_cached=len(wav))
        with track.reader() as reader:
            assert reader.read() == wav


def test_offline_and_never_seen(cache: Path) -> None:
    before = threading.active_count()
    with pytest.raises(OfflineMiss):
        kithara.open("http://127.0.0.1:9/a.wav", cache=cache, offline=True)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://me:secret@example.org:8443/a.mp3?t=secret#x", "https://example.org:8443/a.mp3"),
        ("http://user@[::1/a?secret", "http://[::1/a"),
        ("http://example.org/a@b.mp3", "http://example.org/a@b.mp3"),
        ("music/a?b#c.mp3", "music/a?b#c.mp3"),
    ],
)
def test_what_of_a_url_is_shown(url: str, seen: str) -> None:
    assert shown(url) == seen


@pytest.mark.parametrize("url", ["", "a.wav", "ftp://host/a.wav", "http://", "http://[/a.wav"])
def test_what_is_neither_a_url_nor_a_file(url: str, cache: Path) -> None:
    with pytest.raises(kithara.InvalidUrl, match="not an http or https URL, nor a file"):
        kithara.open(url, cache=cache)
    assert not cache.exists()


def test_a_file_of_this_machine(wav: bytes, tone: Tone, tmp_path: Path) -> None:
    path = tmp_path / "a tone#1.wav"
    path.write_bytes(wav)
    for url in (path, str(path), path.as_uri()):
        pcm, rate = kithara.decode(url, start=1, cache=tmp_path / "cache")
        assert rate == 8000
        assert np.array_equal(pcm, tone[8000:])
    with kithara.open(path) as track:
        assert track.kind == "file"
        assert track.length == len(wav)
        assert track.stats.requests == 0
        track.wait_complete()
    assert not (tmp_path / "cache").exists()
    with pytest.raises(Unreadable):
        kithara.open((tmp_path / "none.wav").as_uri())


def test_a_failure_leaves_no_thread_and_is_one_of_the_families(
    server: ThreadedServer, cache: Path
) -> None:
    server.add("/noise.wav", bytes(range(256)) * 10)
    before = threading.active_count()
    with pytest.raises(UnsupportedFormat):
        kithara.open(server.url("/noise.wav"), cache=cache)
    with pytest.raises(kithara.ERRORS):
        kithara.open(server.url("/missing.wav"), cache=cache)
    with pytest.raises(UnexpectedStatus):
        kithara.fetch(server.url("/missing.wav"), cache=cache)
    assert threading.active_count() == before


def test_a_playlist_is_known_by_its_bytes(server: ThreadedServer, wav: bytes, cache: Path) -> None:
    server.add("/list", b"#EXTM3U\n#EXTINF:2,\ntone.wav\n#EXT-X-ENDLIST\n")
    with kithara.open(server.url("/list"), cache=cache) as track:
        assert track.kind == "hls"
        assert track.duration == 2.0
        assert len(track.variants) == 1


def test_closing_twice_and_in_the_middle(server: ThreadedServer, cache: Path) -> None:
    before = threading.active_count()
    track = kithara.open(server.url("/tone.wav"), cache=cache)
    next(track)
    track.close()
    track.close()
    assert list(track) == []
    assert threading.active_count() == before


async def test_async_with_a_store_and_a_client_of_ones_own(
    wav: bytes, tone: Tone, cache: Path
) -> None:
    async with Server() as server, HttpClient() as net:
        server.add("/tone.wav", wav)
        with asset_store(cache) as store:
            async with kithara.aopen(server.url("/tone.wav"), store=store, net=net) as track:
                data = [chunk.data async for chunk in track]
                await track.await_complete()
                assert np.array_equal(np.concatenate(data), tone)
                with pytest.raises(RuntimeError, match="async"):
                    track.close()
                with pytest.raises(RuntimeError, match="async"), track:
                    pass
            # Neither the store nor the client was closed with the track.
            async with kithara.aopen(server.url("/tone.wav"), store=store, net=net) as track:
                assert track.stats.bytes_cached == len(wav)
            assert (await net.head(server.url("/tone.wav"))).total == len(wav)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_a_body_that_breaks_is_continued(
    server: ThreadedServer, tone: Tone, wav: bytes, cache: Path
) -> None:
    server.add("/cut.wav", wav, script=[{"cut_after": 30_000}])
    with kithara.open(server.url("/cut.wav"), cache=cache) as track:
        assert np.array_equal(samples(track), tone)
    assert [request.byte_range for request in server.requests_for("/cut.wav")] == [
        RangeSpec(0),
        RangeSpec(30_000, len(wav)),
    ]


def test_strict_takes_no_sound_for_less_than_it_is(
    server: ThreadedServer, damaged: bytes, cache: Path
) -> None:
    server.add("/damaged.flac", damaged)
    url = server.url("/damaged.flac")
    with kithara.open(url, cache=cache) as track:
        assert sum(len(chunk.data) for chunk in track) == 16_000
        assert len(track.losses) == 1
    with kithara.open(url, cache=cache, strict=True) as track, pytest.raises(CorruptAudio):
        list(track)
    with pytest.raises(CorruptAudio):
        kithara.decode(url, cache=cache, strict=True)


def test_without_retries_the_first_failure_counts(server: ThreadedServer, cache: Path) -> None:
    server.add("/busy.wav", status=503)
    with pytest.raises(UnexpectedStatus):
        kithara.open(server.url("/busy.wav"), cache=cache, retries=0)
    assert len(server.requests) == 1


async def test_cancelling_an_open_leaves_nothing(wav: bytes, cache: Path) -> None:
    before = threading.active_count()

    async def play(url: str) -> None:
        async with kithara.aopen(url, cache=cache):
            pass

    def sent(server: Server, path: str, size: int) -> bool:
        return any(request.sent >= size for request in server.requests_for(path))

    async with Server() as server:
        # At 0: before the first byte; at 30: after the probe, within the header of the file.
        for stall_after in (0, 30):
            path = f"/{stall_after}.wav"
            server.add(path, wav, stall_after=stall_after)
            task = asyncio.create_task(play(server.url(path)))
            await server.wait_for(partial(sent, server, path, stall_after))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await server.wait_for(lambda: server.connections == 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert threading.active_count() == before


async def test_cancelled_at_every_await_it_still_lets_go_of_everything(
    wav: bytes, cache: Path
) -> None:
    """As the scopes of anyio do it until they are left, and so Starlette where a client leaves."""
    playing = asyncio.Event()

    async def play(url: str, store: DiskAssetStore) -> None:
        async with kithara.aopen(url, store=store) as track:
            async for _ in track:
                playing.set()

    threads = threading.active_count()
    async with Server() as server:
        server.add("/tone.wav", wav)
        server.add("/stalled.wav", wav, stall_after=50_000)
        lines = [f"#EXTINF:2,\n{name}.wav\n#EXT-X-DISCONTINUITY" for name in ("tone", "stalled")]
        server.add("/list.m3u8", "\n".join(["#EXTM3U", *lines, "#EXT-X-ENDLIST"]).encode())
        with asset_store(cache) as store:
            for steps in (1, 5, 20, 50, None):
                task = asyncio.create_task(play(server.url("/list.m3u8"), store))
                if steps is None:
                    await playing.wait()
                for _ in range(steps or 0):
                    await asyncio.sleep(0)
                while not task.done():
                    task.cancel()
                    await asyncio.sleep(0)
                assert task.cancelled()
                async with asyncio.timeout(10):  # the store's threads may still write
                    while any(asset.leased for asset in store.assets()):  # noqa: ASYNC110 - nobody tells
                        await asyncio.sleep(0.01)
                playing.clear()
    assert threading.active_count() == threads
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_the_type_checker_is_asked_about_every_public_name() -> None:
    """tests/typing is never run: mypy reads it, as strictly as a program that uses this package."""
    asked = (Path(__file__).parent / "typing" / "api.py").read_text(encoding="utf-8")
    assert [name for name in kithara.__all__ if f"kithara.{name}" not in asked] == []
