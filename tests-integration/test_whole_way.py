"""A URL becomes PCM through all the layers, and again from the cache, against other decoders."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from commands import CommandLine, ffmpeg_pcm
from servers import Nginx

Samples = npt.NDArray[np.float32]

LADDER_FRAMES = 9_712_640

HLS = {
    **{f"kithara-aac-ladder/master.m3u8 {n}": f"kithara-aac-ladder/index-{q}-a1.m3u8"
       for n, q in enumerate(("slq", "smq", "shq"))},
    **{f"kithara-aes128/master.m3u8 {n}": f"kithara-aes128/index-{q}-a1.m3u8"
       for n, q in enumerate(("slq", "smq"))},
    "shaka-hls-ts-aac/playlist.m3u8 best": "shaka-hls-ts-aac/playlist.m3u8",
    "shaka-hls-raw-aac/manifest.m3u8 best": "shaka-hls-raw-aac/stream.m4a.m3u8",
    "media3-cmaf-multi-segment/playlist.m3u8 best": "media3-cmaf-multi-segment/stream_0.m3u8",
}  # fmt: skip

# Its init section has an edit list: the first AAC frame is encoder delay, and is not to be heard.
# ffmpeg plays it all the same; without it the length is that of the playlist, 3 s and the padding.
ENCODER_DELAY = {"media3-cmaf-multi-segment/playlist.m3u8 best": 1024}

LOSSLESS = (
    "flac-test-files/01_-_blocksize_4096.flac",
    "flac-test-files/41_-_6_channels_(5.1).flac",
    "media3/bear.flac",
    "media3/sample.wav",
    "media3/sample_ima_adpcm.wav",
)


def cache_equals(cli: CommandLine, server: Nginx, url: str, online: Samples, *options: str) -> None:
    """With the server gone, the same samples to the last bit."""
    server.stop()
    assert np.array_equal(cli.decode(url, *options), online)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("case", HLS)
def test_hls_against_ffmpeg(
    case: str, corpora: Path, nginx: Callable[[Path], Nginx], kithara_cli: CommandLine
) -> None:
    server = nginx(corpora / "hls")
    path, variant = case.split()
    # ffmpeg reads a key only if its name looks like media, or if it is told to read any.
    options = ["-allowed_extensions", "ALL"] if "aes128" in case else []
    expected = ffmpeg_pcm(server.url(HLS[case]), *options)[ENCODER_DELAY.get(case, 0) :]
    pcm = kithara_cli.decode(server.url(path), "--variant", variant)
    assert pcm.shape == expected.shape
    if case.startswith("kithara"):
        assert len(pcm) == LADDER_FRAMES
    assert np.abs(pcm - expected).max() <= 1e-4
    cache_equals(kithara_cli, server, server.url(path), pcm, "--variant", variant)


def test_mp3_against_mpg123(
    corpora: Path, nginx: Callable[[Path], Nginx], kithara_cli: CommandLine, tmp_path: Path
) -> None:
    server = nginx(corpora / "audio")
    pcm = kithara_cli.decode(server.url("kithara-test.mp3"))
    wav = tmp_path / "mpg123.wav"
    subprocess.run(
        ["mpg123", "-q", "-e", "f32", "-w", str(wav), str(corpora / "audio/kithara-test.mp3")],
        check=True,
    )
    expected = soundfile.read(wav, dtype="float32", always_2d=True)[0]
    assert pcm.shape == expected.shape
    assert np.abs(pcm - expected).max() <= 1e-6
    cache_equals(kithara_cli, server, server.url("kithara-test.mp3"), pcm)


@pytest.mark.parametrize("path", LOSSLESS)
def test_lossless_against_soundfile(
    path: str, corpora: Path, nginx: Callable[[Path], Nginx], kithara_cli: CommandLine
) -> None:
    server = nginx(corpora / "audio")
    expected = soundfile.read(corpora / "audio" / path, dtype="float32", always_2d=True)[0]
    pcm = kithara_cli.decode(server.url(path))
    assert np.array_equal(pcm, expected)
    cache_equals(kithara_cli, server, server.url(path), pcm)


@pytest.mark.parametrize("name", ["melody.mp3", "melody.wav", "melody.flac", "fmp4/master.m3u8",
                                  "ts/master.m3u8"])  # fmt: skip
def test_our_own_media_against_ffmpeg(
    name: str, media: Path, nginx: Callable[[Path], Nginx], kithara_cli: CommandLine
) -> None:
    server = nginx(media)
    playlist = name.replace("master", "aac-2")
    expected = ffmpeg_pcm(server.url(playlist))
    pcm = kithara_cli.decode(server.url(name))
    assert pcm.shape == expected.shape
    assert np.abs(pcm - expected).max() <= 1e-4
    cache_equals(kithara_cli, server, server.url(name), pcm)


def test_offline_sends_no_request(
    media: Path, nginx: Callable[[Path], Nginx], kithara_cli: CommandLine
) -> None:
    server = nginx(media)
    for name in ("melody.mp3", "fmp4/master.m3u8"):
        online = kithara_cli.decode(server.url(name))
        asked = len(server.requests())
        assert np.array_equal(kithara_cli.decode(server.url(name), "--offline"), online)
        assert len(server.requests()) == asked


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a.mp3", "http://127.0.0.1:9/a.m3u8"])
def test_a_url_never_seen_is_an_offline_miss(url: str, kithara_cli: CommandLine) -> None:
    ran = kithara_cli("decode", url, "-o", "out.wav", "--offline")
    assert ran.code == 3
    assert url in ran.err
    assert "not in the cache" in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not (kithara_cli.folder / "out.wav").exists()


# Sample rate, channels and seconds as ffprobe tells them, or why there is no sound to play.
RECORDINGS: dict[str, tuple[int, int, float] | str] = {
    "kithara-aac-ladder/master.m3u8": (44_100, 2, 220.2),
    "kithara-aes128/master.m3u8": (44_100, 2, 220.2),
    "media3-cmaf-multi-segment/playlist.m3u8": (44_100, 1, 3.0),
    "media3-cmaf-multi-segment/stream_1.m3u8": "no audio stream",
    "shaka-hls-gap/playlist.m3u8": "no audio stream",
    "shaka-hls-multivideo/master.m3u8": (44_100, 2, 4.0),
    "shaka-hls-multivideo/red_1.m3u8": "no audio stream",
    "shaka-hls-raw-aac/manifest.m3u8": (22_050, 2, 40.0),
    "shaka-hls-sample-aes/index.m3u8": "SAMPLE-AES-CTR is not supported",
    "shaka-hls-ts-aac/playlist.m3u8": (48_000, 2, 31.9),
    "shaka-hls-ts-audio-muxed-in-video/master.m3u8": (22_050, 2, 59.9),
}


@pytest.mark.parametrize("path", RECORDINGS)
def test_info_and_fetch_of_real_recordings(
    path: str, corpora: Path, nginx: Callable[[Path], Nginx], kithara_cli: CommandLine
) -> None:
    server, known = nginx(corpora / "hls"), RECORDINGS[path]
    shown = kithara_cli("info", server.url(path), "--json")
    if isinstance(known, str):
        assert (shown.code, shown.out, shown.err.count("\n")) == (1, "", 1)
        assert known in shown.err
        return
    facts = json.loads(shown.out)
    assert (facts["sample_rate"], facts["channels"]) == known[:2]
    assert facts["duration"] == pytest.approx(known[2], abs=0.1)
    assert kithara_cli("fetch", server.url(path)).code == 0
    server.stop()
    options = ("--offline", "--duration", "1", "--lost", "silence", "-o", "out.wav")
    assert kithara_cli("decode", server.url(path), *options).code == 0
    assert soundfile.info("out.wav").duration == 1


@pytest.mark.parametrize("path", ["fmp4/master.m3u8", "melody.mp3"])
def test_a_fetched_asset_plays_with_no_network_at_all(
    path: str, media: Path, nginx: Callable[[Path], Nginx], kithara_cli: CommandLine
) -> None:
    """In a network namespace where even the loopback is down."""
    cut_off = ["unshare", "--net"]
    if sys.platform != "linux" or subprocess.run([*cut_off, "true"], check=False).returncode:
        pytest.skip("this user may not make a network namespace")
    url = nginx(media).url(path)
    assert kithara_cli("fetch", url).code == 0
    words = ["decode", url, "--offline", "--cache", str(kithara_cli.cache), "-o", "alone.wav"]
    done = subprocess.run(
        [*cut_off, sys.executable, "-m", "kithara", *words],
        cwd=kithara_cli.folder, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    alone = soundfile.read(kithara_cli.folder / "alone.wav", dtype="float32")[0]
    assert np.array_equal(alone, kithara_cli.decode(url))
