import io
import itertools
import json
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner, Result

from _kithara._cli import app
from _kithara._facts import Moment
from _kithara._options import parse_time
from _kithara._progress import ProgressLine
from _kithara._units import clock, megabytes
from kithara import TransferStats
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
    assert "96.0 kB from the network, 0 bytes from the cache" in done.stdout
    assert np.array_equal(soundfile.read(out, dtype="float32")[0], tone)
    server.close()
    again = run("decode", server.url("/tone.wav"), "-o", out, "--cache", cache, "--offline")
    assert "0 bytes from the network, 96.0 kB from the cache" in again.stdout


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


def test_sound_that_damage_has_lost_is_told(
    server: ThreadedServer, damaged: bytes, cache: Path, tmp_path: Path
) -> None:
    server.add("/damaged.flac", damaged)
    words = ("decode", server.url("/damaged.flac"), "-o", tmp_path / "o.wav", "--cache", cache)
    done = run(*words)
    assert done.exit_code == 0
    assert re.search(r"kithara: no sound at 0:0[01] for 1\.\d+ s: ", done.stderr)
    (loss,) = json.loads(run(*words, "--json").stdout.splitlines()[-1])["losses"]
    assert 0 < loss["at"] < loss["at"] + loss["seconds"] < 2
    strict = run(*words, "--strict")
    assert strict.exit_code == 1
    assert "damaged at frame" in strict.stderr


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


def test_a_stretch_of_it(
    server: ThreadedServer, tone: npt.NDArray[np.float32], cache: Path, tmp_path: Path
) -> None:
    out, stretch = tmp_path / "o.wav", ("--start", "0:00.5", "--duration", "1")
    done = run("decode", server.url("/tone.wav"), "-o", out, "--cache", cache, *stretch)
    assert "8000 frames, 0:01" in done.stdout
    assert np.array_equal(soundfile.read(out, dtype="float32")[0], tone[4000:12_000])
    beyond = run("decode", server.url("/tone.wav"), "-o", out, "--cache", cache, "--start", "9")
    assert beyond.exit_code == 0
    assert beyond.stderr == "kithara: there is nothing from 0:09 on: the sound ends at 0:02\n"
    assert soundfile.info(out).frames == 0


def test_other_files(
    server: ThreadedServer, tone: npt.NDArray[np.float32], cache: Path, tmp_path: Path
) -> None:
    url, options = server.url("/tone.wav"), ("--cache", cache)
    for name in ("a.raw", "a.flac", "a.ogg"):
        assert run("decode", url, "-o", tmp_path / name, *options).exit_code == 0
    raw = np.fromfile(tmp_path / "a.raw", "<f4").reshape(-1, 2)
    assert np.array_equal(raw, tone)
    flac, _ = soundfile.read(tmp_path / "a.flac", dtype="float32")
    assert np.array_equal(flac, tone)  # 24 bits, as the source has
    assert soundfile.info(tmp_path / "a.ogg").frames == len(tone)
    named = run("decode", url, "-o", tmp_path / "b", "--format", "raw", *options)
    assert named.exit_code == 0
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a.raw").read_bytes()
    mixed = run("decode", url, "-o", tmp_path / "m.wav", "--rate", "4000", "--channels", "1",
                *options)  # fmt: skip
    assert "8000 frames, 0:02, 4000 Hz, 1 channels" in mixed.stdout
    assert sorted(p.suffix for p in tmp_path.iterdir() if p.is_file()) == [
        "", ".flac", ".ogg", ".raw", ".wav",
    ]  # fmt: skip


def test_the_input_is_not_overwritten(wav: bytes, tmp_path: Path) -> None:
    source = tmp_path / "a b.wav"
    source.write_bytes(wav)
    named: tuple[str | Path, ...] = (source, source.as_uri())
    outputs: tuple[tuple[str | Path, ...], ...] = (
        ("-o", source),
        ("-o", tmp_path / "o.wav", "--report", source),
    )
    for url, words in itertools.product(named, outputs):
        done = run("decode", url, *words)
        assert done.exit_code == 2
        assert "is what is to be decoded" in " ".join(done.stderr.split())
        assert source.read_bytes() == wav
    named_so = source.rename(tmp_path / "o.wav.part")
    assert run("decode", named_so, "-o", tmp_path / "o.wav").exit_code == 0
    assert named_so.read_bytes() == wav


def test_a_playlist_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "a.m3u8").write_text("#EXTM3U\n#EXTINF:2,\na.aac\n#EXT-X-ENDLIST\n")
    done = run("info", tmp_path / "a.m3u8")
    assert done.exit_code == 1
    assert "over http or https only" in done.stderr
    assert done.stderr.count("\n") == 1


def test_json_lines(server: ThreadedServer, cache: Path, tmp_path: Path) -> None:
    url, size = server.url("/tone.wav"), 96_044
    done = run("decode", url + "?token=s3cret", "-o", tmp_path / "o.wav", "--cache", cache,
               "--json")  # fmt: skip
    assert "s3cret" not in done.output
    first, *_, last = (json.loads(line) for line in done.stdout.splitlines())
    assert (first["event"], first["url"], first["duration"]) == ("opened", url, 2.0)
    assert (last["event"], last["frames"], last["received"]) == ("done", 16_000, size)
    fetched = run("fetch", url, "--cache", cache, "--json").stdout.splitlines()
    assert json.loads(fetched[-1]) == {
        "event": "done", "requests": 0, "received": 0, "cached": size,
    }  # fmt: skip


def test_a_key_of_ones_own(server: ThreadedServer, wav: bytes, cache: Path, tmp_path: Path) -> None:
    key, iv = bytes(range(16)), bytes(16)
    encryptor = Cipher(AES(key), CBC(iv)).encryptor()
    padding = 16 - len(wav) % 16
    body = encryptor.update(wav + bytes([padding]) * padding) + encryptor.finalize()
    server.add("/tone.enc", body)
    server.add("/key", bytes(16))
    server.add(
        "/list.m3u8",
        b'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="key",IV=0x00000000000000000000000000000000\n'
        b"#EXTINF:2,\ntone.enc\n#EXT-X-ENDLIST\n",
    )
    url, out = server.url("/list.m3u8"), tmp_path / "o.wav"
    assert run("decode", url, "-o", out, "--cache", tmp_path / "wrong").exit_code == 1
    done = run("decode", url, "-o", out, "--cache", cache, "--key", key.hex())
    assert done.exit_code == 0, done.stderr
    assert soundfile.info(out).frames == 16_000


def test_a_segment_that_nobody_has_need_not_be_the_end(
    server: ThreadedServer, tone: npt.NDArray[np.float32], cache: Path, tmp_path: Path
) -> None:
    server.add(
        "/list.m3u8",
        b"#EXTM3U\n#EXTINF:2,\ntone.wav\n#EXT-X-DISCONTINUITY\n#EXTINF:2,\nnone.wav\n"
        b"#EXT-X-DISCONTINUITY\n#EXTINF:2,\ntone.wav\n#EXT-X-ENDLIST\n",
    )
    words = ("decode", server.url("/list.m3u8"), "-o", tmp_path / "o.wav", "--cache", cache)
    ended = run(*words, "--retries", "0")
    assert ended.exit_code == 1
    assert not (tmp_path / "o.wav").exists()
    assert run(*words, "--retries", "0", "--lost", "silence").exit_code == 0
    pcm = soundfile.read(tmp_path / "o.wav", dtype="float32")[0]
    assert np.array_equal(pcm[:16_000], tone)
    assert np.array_equal(pcm[-16_000:], tone)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["-o", "a.mp3"], "none of wav, raw, flac, ogg"),
        (["-o", "-", "--format", "flac"], "a pipe takes wav or raw"),
        (["-o", "a.wav", "--start", "soon"], "no time such as"),
        (["-o", "a.wav", "--duration", "1:2:3:4"], "no time such as"),
        (["-o", "a.wav", "--key", "c0ffee"], "hexadecimal digits"),
        (["-o", "a.wav", "--header", "Authorization s3cret"], "number 1 is no"),
        (["-o", "a.wav", "--header", "A b: s3cret"], "number 1 is no"),
        (["-o", "a.wav", "--header", "range: bytes=0-9"], "not for you to set"),
        (["-o", "a.wav", "--variant", "loudest"], "neither a number"),
        (["-o", "a.wav", "--report", "/no/such/folder/r.html"], "there is no folder"),
        (["-o", "a.wav", "--report", "./a.wav"], "take the place of the output"),
        (["-o", "a.wav", "--rate", "0"], "--rate"),
        (["-o", "a.wav", "--lost", "maybe"], "neither raise nor silence"),
        (["-o", "a.wav", "--frob"], "--frob"),
        ([], "--output"),
    ],
)
def test_wrong_usage_is_told(words: list[str], complaint: str) -> None:
    done = run("decode", "http://127.0.0.1:9/a.wav", *words)
    assert done.exit_code == 2
    assert complaint in " ".join(done.stderr.replace("│", " ").split())
    assert "s3cret" not in done.output


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90", 90), ("1:30", 90), ("1:02:03.5", 3723.5), (".5", 0.5)]
)
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("width", [40, 60, 99, 200])
def test_the_line_of_progress_fits_its_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")  # one that is called dumb always has 80 columns
    told = io.StringIO()
    console = Console(file=told, force_terminal=True, width=width, color_system=None)
    with ProgressLine(console, "a-very-long-name-of-a-file-indeed.m3u8", timed=True) as line:
        stats = TransferStats(requests=9, bytes_received=123_456_789, bytes_cached=5_000_000)
        line.show(Moment(done=5000, total=7300, stats=stats, buffered=12.3, variant=2))
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told.getvalue()).replace("\r", "\n").splitlines()
    assert any("1:23:20 / 2:01:40" in line for line in shown)
    assert max(map(cell_len, shown)) <= width
    assert ("variant 2" in told.getvalue()) == (width == 200)


def test_help_names_every_command_and_the_exit_codes() -> None:
    text = run("--help").stdout
    for word in ("decode", "play", "fetch", "info", "cache", "130", "141"):
        assert word in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3_725, "1:02:05")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1234, "1.2 kB"),
        (99_999, "100.0 kB"),
        (3_100_000, "3.1 MB"),
    ],
)
def test_megabytes(size: int, text: str) -> None:
    assert megabytes(size) == text
