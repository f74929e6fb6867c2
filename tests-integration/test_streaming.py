"""Sound before the bytes are here, seeks into what is not, interrupts, and flat memory."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import kithara
from commands import CommandLine, ffmpeg_pcm
from kithara_assets import asset_store
from kithara_decode import open_decoder
from kithara_file import FileSource
from kithara_net import HttpClient, RangeSpec
from kithara_net.testing import Server, ThreadedServer
from kithara_stream import Cancelled
from sample import RATE
from servers import Nginx, free_port, wait_for_port
from workspace import ROOT

PROMPT = 1.0  # seconds: a tenth of it on an idle machine; who hangs takes longer by far


@pytest.fixture
def slow_link() -> Iterator[Callable[[int], int]]:
    """Put a link of 1 Mbit/s and 20 ms in front of a port; answers its own port."""
    program = ROOT.parent / "shared/tools/slowlink.py"
    if not program.exists():
        pytest.skip("the slow link is not beside this checkout")
    running: list[subprocess.Popen[bytes]] = []

    def start(port: int) -> int:
        listen = free_port()
        words = ["--listen", str(listen), "--to", str(port), "--rtt-ms", "20", "--mbit", "1"]
        running.append(subprocess.Popen([sys.executable, str(program), *words]))
        wait_for_port(listen, running[-1])
        return listen

    yield start
    for process in running:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("name", ["melody.mp3", "melody.flac", "melody.wav", "fmp4/master.m3u8",
                                  "ts/master.m3u8"])  # fmt: skip
def test_sound_begins_before_the_download_ends(
    name: str,
    media: Path,
    nginx: Callable[[Path], Nginx],
    slow_link: Callable[[int], int],
    tmp_path: Path,
) -> None:
    url = f"http://127.0.0.1:{slow_link(nginx(media).port)}/{name}"
    size = (
        sum(f.stat().st_size for f in (media / name).parent.glob("*aac-2*"))
        or (media / name).stat().st_size
    )
    with kithara.open(url, cache=tmp_path) as track:
        chunk = next(track)
        assert len(chunk.data) > 0
        # A quarter holds with room to spare; PyAV wants the most before its first frame.
        assert track.stats.bytes_received < size / 4


async def test_a_seek_into_a_file_that_is_not_here_asks_for_that_place(
    media: Path, tmp_path: Path
) -> None:
    """The reader of an MP3, and a decoder's exact seek in WAV and FLAC."""
    async with Server(bytes_per_second=100_000) as server, HttpClient() as net:
        server.serve_directory(media)
        with asset_store(tmp_path / "cache") as store:
            data = (media / "melody.mp3").read_bytes()
            middle = len(data) // 2
            source = FileSource(server.url("/melody.mp3"), store=store, net=net)
            async with source as session:
                reader = session.reader()
                await asyncio.to_thread(reader.seek, middle)
                assert await asyncio.to_thread(reader.read, 100) == data[middle : middle + 100]
            first, second = (r.byte_range for r in server.requests_for("/melody.mp3"))
            assert (first, second) == (RangeSpec(0), RangeSpec(middle))

            for name in ("melody.wav", "melody.flac"):
                source = FileSource(server.url(f"/{name}"), store=store, net=net)
                async with source as session:
                    pcm = await asyncio.to_thread(three_from_ten, session.reader())
                assert (pcm == three_from_ten((media / name).open("rb"))).all()
                assert len(server.requests_for(f"/{name}")) > 1
                sent = sum(r.sent for r in server.requests_for(f"/{name}"))
                assert sent < (media / name).stat().st_size


def three_from_ten(file: io.RawIOBase | io.BufferedReader) -> npt.NDArray[np.number]:
    with file, open_decoder(file) as decoder:
        decoder.seek(10 * RATE)
        return decoder.read(3)


@pytest.mark.parametrize("name", ["melody.mp3", "fmp4/master.m3u8"])
def test_ctrl_c_ends_at_once_and_leaves_nothing(
    name: str, media: Path, kithara_cli: CommandLine
) -> None:
    with ThreadedServer(bytes_per_second=30_000) as server:
        server.serve_directory(media)
        with kithara_cli.start("decode", server.url(f"/{name}"), "-o", "out.wav") as process:
            server.wait(lambda: any(r.sent > 30_000 for r in server.requests))
            process.send_signal(signal.SIGINT)
            started = time.monotonic()
            out, err = process.communicate(timeout=20)
            took = time.monotonic() - started
        server.wait(lambda: server.connections == 0)
    assert process.returncode == 130
    assert (out, err) == ("", "kithara: interrupted\n")
    assert took < 2
    assert list(kithara_cli.folder.iterdir()) == []
    half_done = {p for p in kithara_cli.cache.rglob("*") if p.suffix in (".part", ".map")}
    media_left = [p for p in kithara_cli.cache.rglob("*.mp3") if p not in half_done]
    assert media_left == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_was_fetched_before_the_end_of_a_process_is_not_fetched_again(
    how: signal.Signals, media: Path, kithara_cli: CommandLine
) -> None:
    with ThreadedServer(bytes_per_second=30_000) as server:
        server.serve_directory(media)
        url, size = server.url("/melody.mp3"), (media / "melody.mp3").stat().st_size
        with kithara_cli.start("decode", url, "-o", "out.wav") as process:
            server.wait(lambda: any(r.sent > 60_000 for r in server.requests))
            process.send_signal(how)
            process.communicate(timeout=20)
        server.bytes_per_second = None
        pcm = kithara_cli.decode(url)
        first, second = server.requests_for("/melody.mp3")
    assert second.byte_range is not None
    assert 30_000 < second.byte_range.start <= first.sent
    assert second.sent == size - second.byte_range.start
    expected = ffmpeg_pcm(media / "melody.mp3")
    assert pcm.shape == expected.shape
    assert np.abs(pcm - expected).max() <= 1e-4


@pytest.mark.skipif(sys.platform != "linux", reason="ALSA can play into a file")
def test_play_hands_every_sample_to_the_sound_card(
    media: Path, kithara_cli: CommandLine, tmp_path: Path
) -> None:
    played, conf = tmp_path / "played.raw", tmp_path / "asound.conf"
    conf.write_text(
        f'pcm.!default {{ type file; slave.pcm null; file "{played}"; format raw }}\n'
        "pcm.null { type null }\n"
    )
    environment = {"ALSA_CONFIG_PATH": f"/usr/share/alsa/alsa.conf:{conf}"}
    with ThreadedServer() as server:
        server.serve_directory(media)
        url = server.url("/melody.flac")
        ran = kithara_cli.run_apart("play", url, environment=environment)
    assert ran.code == 0, ran.err
    expected = soundfile.read(media / "melody.flac", dtype="float32", always_2d=True)[0]
    assert np.array_equal(np.fromfile(played, np.float32).reshape(-1, 2), expected)


async def test_closing_wakes_a_decoder_that_waits_for_bytes(media: Path, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    async with Server() as server:
        server.add("/a.mp3", (media / "melody.mp3").read_bytes(), stall_after=60_000)
        async with kithara.aopen(server.url("/a.mp3"), cache=tmp_path) as track:
            while track.position < 3:
                await anext(track)
            waiting = asyncio.create_task(drain(track))
            await server.wait_for(lambda: server.requests[0].sent >= 60_000)
            started = time.monotonic()
        assert time.monotonic() - started < PROMPT
        with pytest.raises((Cancelled, StopAsyncIteration)):
            await waiting
    assert asyncio.all_tasks() == {asyncio.current_task()}
    left = {t for t in threading.enumerate() if "kithara" in t.name} - before
    assert left == set()


async def drain(track: kithara.Track) -> None:
    async for _ in track:
        pass
    raise StopAsyncIteration


STALLED = """
import asyncio, json, os, sys
import kithara

def rss():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

async def main(url, cache):
    async with kithara.aopen(url, cache=cache) as track:
        await anext(track)
        before = rss()
        async for _ in quiet(track):
            pass
        print(json.dumps({"grown": rss() - before, "received": track.stats.bytes_received}))

async def quiet(track):
    "Yield until nothing has arrived for a second: a pause is what is measured here."
    last = -1
    while track.stats.bytes_received != last:
        last = track.stats.bytes_received
        await asyncio.sleep(1)
        yield last

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc")
def test_a_consumer_that_stops_reading_holds_memory_flat(tmp_path: Path) -> None:
    size = 1 << 30
    header = b"RIFF" + (size - 8).to_bytes(4, "little") + b"WAVEfmt " + bytes.fromhex(
        "10000000" "0100" "0200" "44ac0000" "10b10200" "0400" "1000"
    ) + b"data" + (size - 44).to_bytes(4, "little")  # fmt: skip
    wav = tmp_path / "big.wav"
    with wav.open("wb") as file:
        file.write(header)
        file.truncate(size)
    with ThreadedServer() as server:
        server.add("/big.wav", wav)
        done = subprocess.run(
            [sys.executable, "-c", STALLED, server.url("/big.wav"), str(tmp_path / "cache")],
            capture_output=True, text=True, timeout=50, check=True,
        )  # fmt: skip
        sent = server.requests[0].sent
    facts = json.loads(done.stdout)
    assert facts["grown"] < 32 << 20
    assert facts["received"] < 16 << 20
    assert sent < 32 << 20
