"""What one can do with an open track besides iterating over it."""

import threading
import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import kithara
from kithara_file import Complete, Connected
from kithara_hls import PlaylistLoaded, VariantMissing
from kithara_net.testing import Server, ThreadedServer

Tone = npt.NDArray[np.float32]
RATE = 8000
LIST = b"#EXTM3U\n#EXTINF:2,\ntone.wav\n#EXT-X-ENDLIST\n"


def test_a_seek_lands_on_the_very_frame(server: ThreadedServer, tone: Tone, cache: Path) -> None:
    with kithara.open(server.url("/tone.wav"), cache=cache) as track:
        for seconds in (1.5, 0.25, 0.0, 1.9999):
            track.seek(seconds)
            frame = round(seconds * RATE)
            assert track.position == frame / RATE
            chunk = next(track)
            assert chunk.start == frame
            assert np.array_equal(chunk.data, tone[frame : frame + len(chunk.data)])
        track.seek(5)
        assert next(track, None) is None
        track.seek(1)
        assert next(track).start == RATE
        with pytest.raises(ValueError, match="seconds"):
            track.seek(-1)


def test_blocks_are_of_one_length(server: ThreadedServer, tone: Tone, cache: Path) -> None:
    with kithara.open(server.url("/tone.wav"), cache=cache) as track:
        blocks = list(track.blocks(seconds=0.3))
        assert [len(block.data) for block in blocks] == [2400] * 6 + [1600]
        assert np.array_equal(np.concatenate([block.data for block in blocks]), tone)
        track.seek(1)
        assert next(track.blocks(frames=10)).start == RATE
        with pytest.raises(ValueError, match="block"):
            track.blocks()


async def test_blocks_for_asynchronous_code(wav: bytes, tone: Tone, cache: Path) -> None:
    async with Server() as server:
        server.add("/tone.wav", wav)
        async with kithara.aopen(server.url("/tone.wav"), cache=cache) as track:
            data = [block.data async for block in track.ablocks(frames=1000)]
    assert [len(part) for part in data] == [1000] * 16
    assert np.array_equal(np.concatenate(data), tone)


def test_events_for_synchronous_code(server: ThreadedServer, wav: bytes, cache: Path) -> None:
    with kithara.open(server.url("/tone.wav"), cache=cache) as track:
        track.wait_complete()
        events = track.events()
        kinds = []
        for event in events:
            kinds.append(type(event))
            if isinstance(event, Complete):
                assert event.length == len(wav)
                break
        assert kinds[0] is Connected
        events.close()
        assert list(events) == []


def test_closing_the_track_ends_its_events(server: ThreadedServer, cache: Path) -> None:
    server.add("/stalled.wav", b"RIFF" + bytes(2000), stall_after=1500)
    server.add("/list.m3u8", LIST)
    track = kithara.open(server.url("/list.m3u8"), cache=cache)
    seen: list[object] = []
    first = threading.Event()

    def watch() -> None:
        for event in track.events():
            seen.append(event)
            first.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert first.wait(20)
    events = track.events()
    track.close()
    assert list(events) == []  # its loop has ended, too
    watcher.join(20)
    assert not watcher.is_alive()
    assert isinstance(seen[0], PlaylistLoaded)


async def test_events_for_asynchronous_code(wav: bytes, cache: Path) -> None:
    async with Server() as server:
        server.add("/tone.wav", wav)
        async with kithara.aopen(server.url("/tone.wav"), cache=cache) as track:
            await track.await_complete()
            assert isinstance(await anext(track.events()), Connected)
            with pytest.raises(RuntimeError, match="async for"):
                iter(track.events())


def test_variants_are_for_playlists(server: ThreadedServer, cache: Path) -> None:
    server.add("/list.m3u8", LIST)
    with kithara.open(server.url("/list.m3u8"), cache=cache) as track:
        assert track.variant == 0
        track.select_variant(0)
        with pytest.raises(VariantMissing):
            track.select_variant(3)
    with kithara.open(server.url("/tone.wav"), cache=cache) as track:
        assert track.variant is None
        with pytest.raises(kithara.NoVariants, match="not an HLS playlist"):
            track.select_variant(0)


@pytest.mark.parametrize(
    ("rate", "channels", "shape"),
    [(4000, 1, (8000, 1)), (None, 1, (16_000, 1)), (16_000, None, (32_000, 2))],
)
def test_another_rate_and_other_channels(
    rate: int | None,
    channels: int | None,
    shape: tuple[int, int],
    server: ThreadedServer,
    cache: Path,
) -> None:
    url = server.url("/tone.wav")
    pcm, got = kithara.decode(url, cache=cache, rate=rate, channels=channels)
    assert got == (rate or RATE)
    assert pcm.shape == shape
    assert len(server.requests) == 1


def test_decode_gives_all_of_it_or_a_stretch(
    server: ThreadedServer, tone: Tone, cache: Path
) -> None:
    url = server.url("/tone.wav")
    pcm, rate = kithara.decode(url, cache=cache)
    assert rate == RATE
    assert np.array_equal(pcm, tone)
    part, _ = kithara.decode(url, start=0.5, duration=0.25, cache=cache)
    assert np.array_equal(part, tone[4000:6000])
    assert kithara.decode(url, start=1.9, duration=5, cache=cache)[0].shape == (800, 2)
    assert kithara.decode(url, start=9, cache=cache)[0].shape == (0, 2)
    assert kithara.decode(url, duration=0, cache=cache)[0].shape == (0, 2)


def test_all_at_once_takes_little_more_memory_than_the_samples(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros((3_000_000, 2)), 8000, subtype="PCM_U8")
    tracemalloc.start()
    try:
        pcm, _ = kithara.decode(tmp_path / "long.wav")
        assert tracemalloc.get_traced_memory()[1] < 1.5 * pcm.nbytes
    finally:
        tracemalloc.stop()
    assert pcm.shape == (3_000_000, 2)


def test_a_stretch_fetches_little_more_than_itself(cache: Path) -> None:
    frames = 6_000_000
    noise = np.random.default_rng(2).integers(-(2**15), 2**15, frames, np.int16)
    soundfile.write(cache.parent / "long.wav", noise, RATE)
    # A link so slow that what lies between is not read through.
    with ThreadedServer(bytes_per_second=500_000) as server:
        server.add("/long.wav", cache.parent / "long.wav")
        pcm, _ = kithara.decode(server.url("/long.wav"), start=400, duration=1, cache=cache)
        sent = sum(request.sent for request in server.requests)
    assert np.array_equal(pcm[:, 0] * 2**15, noise[400 * RATE : 401 * RATE])
    assert sent < frames * 2 / 4


def test_a_store_of_ones_own_is_shared_and_stays_open(
    server: ThreadedServer, tone: Tone, cache: Path
) -> None:
    url = server.url("/tone.wav")
    with kithara.cache(cache) as store:
        kithara.fetch(url, store=store)
        store.pin(kithara.asset_name(url + "?token=1"))
        assert np.array_equal(kithara.decode(url, store=store, offline=True)[0], tone)
        (asset,) = store.assets()
        assert asset.pinned
        assert asset.asset_root == kithara.asset_name(url)
    with pytest.raises(ValueError, match="not both"), kithara.cache(cache) as store:
        kithara.open(url, store=store, cache=cache)


def test_headers_go_out_and_credentials_only_home(
    server: ThreadedServer, wav: bytes, cache: Path
) -> None:
    headers = {"Authorization": "Bearer s3cret", "X-Player": "yes"}
    with ThreadedServer() as other:
        other.add("/tone.wav", wav)
        server.add("/list.m3u8", LIST.replace(b"tone.wav", other.url("/tone.wav").encode()))
        kithara.fetch(server.url("/list.m3u8"), cache=cache, headers=headers)
        kithara.fetch(server.url("/tone.wav"), cache=cache, headers=headers)
        away = other.requests_for("/tone.wav")
        assert away
        for request in server.requests:
            sent = {name.lower(): value for name, value in request.headers.items()}
            assert sent["authorization"] == "Bearer s3cret"
            assert sent["x-player"] == "yes"
        for request in away:
            sent = {name.lower(): value for name, value in request.headers.items()}
            assert "authorization" not in sent
            assert sent["x-player"] == "yes"
