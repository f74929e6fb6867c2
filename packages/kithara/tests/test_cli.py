import io
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from typer.testing import CliRunner, Result

from kithara._cli import app
from kithara._progress import clock, megabytes
from kithara_net.testing import ThreadedServer

RATE = 8000


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_decode_writes_a_wav_and_says_where_the_bytes_came_from(
    server: ThreadedServer, tone: npt.NDArray[np.float32], cache: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.wav"
    done = run("decode", server.url("/tone.wav"), "-o", out, "--cache", cache)
    assert done.exit_code == 0
    assert "16000 frames, 0:02, 8000 Hz, 2 channels" in done.stdout
    assert "96.0 kB from the network, 0.0 kB from the cache" in done.stdout
    assert np.array_equal(soundfile.read(out, dtype="float32")[0], tone)
    server.close()
    again = run("decode", server.url("/tone.wav"), "-o", out, "--cache", cache, "--offline")
    assert "0.0 kB from the network, 96.0 kB from the cache" in again.stdout


def test_a_sound_that_changes_its_format_keeps_the_one_it_began_with(
    server: ThreadedServer, cache: Path, tmp_path: Path
) -> None:
    made = io.BytesIO()
    soundfile.write(made, np.zeros((4000, 1), np.float32), RATE // 2, format="WAV")
    server.add("/other.wav", made.getvalue())
    server.add(
        "/two.m3u8",
        b"#EXTM3U\n#EXTINF:2,\ntone.wav\n#EXT-X-DISCONTINUITY\n#EXTINF:1,\nother.wav\n"
        b"#EXT-X-ENDLIST\n",
    )
    out = tmp_path / "o.wav"
    assert run("decode", server.url("/two.m3u8"), "-o", out, "--cache", cache).exit_code == 0
    assert soundfile.read(out, always_2d=True)[0].shape == (3 * RATE, 2)


def test_fetch_then_info_offline(server: ThreadedServer, cache: Path) -> None:
    assert run("fetch", server.url("/tone.wav"), "--cache", cache).exit_code == 0
    server.close()
    options = (server.url("/tone.wav"), "--cache", cache, "--offline")
    shown = run("info", *options)
    assert shown.exit_code == 0
    assert "8000" in shown.stdout
    facts = json.loads(run("info", *options, "--json").stdout)
    assert facts["kind"] == "file"
    assert facts["container"] == "wav"
    assert facts["duration"] == 2.0
    assert facts["received"] == 0
    assert facts["bytes"] == facts["cached"]


def test_offline_and_never_seen_has_an_exit_code_of_its_own(cache: Path) -> None:
    done = run("info", "http://127.0.0.1:9/never.wav", "--cache", cache, "--offline")
    assert done.exit_code == 3
    assert done.stderr.count("\n") == 1


def test_an_output_that_cannot_be_written(server: ThreadedServer, cache: Path) -> None:
    done = run("decode", server.url("/tone.wav"), "-o", "/dev/full/out.wav", "--cache", cache)
    assert done.exit_code == 2


def test_help_names_every_command_and_the_exit_codes() -> None:
    text = run("--help").stdout
    for word in ("decode", "play", "fetch", "info", "130"):
        assert word in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3_725, "1:02:05")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0.0 kB"), (1234, "1.2 kB"), (99_999, "100.0 kB"), (3_100_000, "3.1 MB")]
)
def test_megabytes(size: int, text: str) -> None:
    assert megabytes(size) == text
