"""Every program in examples/ runs as a user would start it, over loopback, with no sound card."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kithara_net.testing import ThreadedServer
from workspace import ROOT

EXAMPLES = ROOT / "examples"
SECONDS = 12

# What the examples import and the tests cannot bring: the least that behaves as they document it.
STAND_INS = {
    "faster_whisper.py": """
import av
from types import SimpleNamespace

class WhisperModel:
    def __init__(self, size):
        self.size = size

    def transcribe(self, file):  # decodes through PyAV, as faster-whisper does
        return self._segments(file), SimpleNamespace(language="en")

    def _segments(self, file):
        with av.open(file) as container:
            for number, frame in enumerate(container.decode(audio=0)):
                if number % 100 == 0 or frame.time >= 11.9:
                    yield SimpleNamespace(start=frame.time, text=f"{frame.samples} samples")
""",
    "discord.py": """
class AudioSource:
    def read(self): raise AssertionError("to be overridden")
    def cleanup(self): pass
""",
    "torch/utils/data.py": """
import os
from types import SimpleNamespace

class IterableDataset:
    pass

def get_worker_info():  # in worker 0 of 2 the environment says so
    return SimpleNamespace(id=0, num_workers=2) if "WORKER" in os.environ else None
""",
    "IPython/__init__.py": "",
    "IPython/display.py": """
import numpy as np

class Audio:
    def __init__(self, data, rate):
        assert np.ndim(data) == 2 and len(data) <= 8, "channels come first"
        self.said = f"audio {data.shape} {rate}"

def display(thing):
    print(getattr(thing, "said", None) or thing._repr_html_()[:20])
""",
}


@dataclass
class Runner:
    """Runs an example in a folder and with a cache of its own."""

    folder: Path

    def __call__(
        self, name: str, *words: str, environment: dict[str, str] | None = None, code: int = 0
    ) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-W", "error", str(EXAMPLES / name), *words],
            cwd=self.folder,
            env=os.environ
            | {
                "PYTHONPATH": os.pathsep.join(
                    filter(None, (str(self.folder / "stand-ins"), os.environ.get("PYTHONPATH")))
                ),
                "XDG_CACHE_HOME": str(self.folder / "cache"),
            }
            | (environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return [*done.stdout.splitlines(), *done.stderr.splitlines()]


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    for name, text in STAND_INS.items():
        path = tmp_path / "stand-ins" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Runner(tmp_path)


@pytest.fixture
def server(media: Path) -> Iterator[ThreadedServer]:
    with ThreadedServer() as server:
        server.serve_directory(media)
        yield server


def test_every_example_is_tested_told_and_short() -> None:
    programs = sorted(path.name for path in EXAMPLES.glob("*.py"))
    tests, told = Path(__file__).read_text(), (EXAMPLES / "README.md").read_text()
    for name in programs:
        assert f'run("{name}"' in tests or f'run(\n        "{name}"' in tests, name
        assert f"[{name}]({name})" in told, name
        text = (EXAMPLES / name).read_text()
        assert len(text.splitlines()) <= 80, name
        assert "Needs: pip install" in text, name


def test_transcribe(run: Runner, server: ThreadedServer, media: Path) -> None:
    url, size = server.url("/melody.mp3"), (media / "melody.mp3").stat().st_size
    lines = run("transcribe.py", url)
    assert lines[0].split()[0] == "0.0"
    assert float(lines[-2].split()[0]) > SECONDS - 0.2
    assert lines[-1] == f"{size} bytes from the network"
    assert run("transcribe.py", url)[-1] == "0 bytes from the network"


@pytest.mark.skipif(sys.platform != "linux", reason="ALSA can play into a file")
def test_player(run: Runner, server: ThreadedServer, media: Path, tmp_path: Path) -> None:
    played, conf = tmp_path / "played.raw", tmp_path / "asound.conf"
    conf.write_text(
        f'pcm.!default {{ type file; slave.pcm null; file "{played}"; format raw }}\n'
        "pcm.null { type null }\n"
    )
    alsa = {"ALSA_CONFIG_PATH": f"/usr/share/alsa/alsa.conf:{conf}"}
    lines = run("player.py", server.url("/melody.flac"), environment=alsa)
    assert f"{SECONDS}.0 s of {SECONDS}.0 s" in [line for line in lines if line][-1]
    expected = soundfile.read(media / "melody.flac", dtype="float32", always_2d=True)[0]
    assert np.array_equal(np.fromfile(played, np.float32).reshape(-1, 2), expected)


def test_ten_seconds(run: Runner, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-(2**15), 2**15, 20 * 60 * 8000, np.int16)
    soundfile.write(tmp_path / "long.flac", noise, 8000, subtype="PCM_16")
    with ThreadedServer() as server:
        server.add("/long.flac", tmp_path / "long.flac")
        lines = run("ten_seconds.py", server.url("/long.flac"), "600", "10")
    assert lines[0] == "(80000, 1) 600.0"
    received, size = (int(word) for word in lines[1].split() if word.isdecimal())
    assert received < size / 5


def test_home_assistant(run: Runner, server: ThreadedServer, media: Path) -> None:
    size = (media / "melody.mp3").stat().st_size
    lines = run("home_assistant.py", server.url("/melody.mp3"))
    assert lines[-2] == f"{size} of {size} bytes"
    assert lines[-1] == f"{SECONDS}.0 s of sound; the session is still open: True"


def test_discord_source(run: Runner, server: ThreadedServer, media: Path) -> None:
    server.add("/hangs-up.mp3", media / "melody.mp3", script=[{"cut_after": 60_000}] * 2)
    lines = run("discord_source.py", server.url("/hangs-up.mp3"))
    assert lines[0] == f"{SECONDS * 50} frames of 20 ms"
    assert len(server.requests_for("/hangs-up.mp3")) == 3


def test_podcast(run: Runner, server: ThreadedServer, media: Path, tmp_path: Path) -> None:
    url, size = server.url("/melody.mp3"), (media / "melody.mp3").stat().st_size
    folder = str(tmp_path / "pods")
    assert run("podcast.py", folder, "play", url)[0].startswith("not on this device")
    assert run("podcast.py", folder, "get", url)[0] == f"{size} bytes fetched, 0 were here"
    server.close()
    title, frames, asset = run("podcast.py", folder, "play", url)
    assert title == f"{url} {SECONDS} s"
    assert frames == f"{SECONDS * 44_100} frames"
    assert asset.endswith("pinned")
    assert not run("podcast.py", folder, "done", url)[0].endswith("pinned")


def test_notebook(run: Runner, server: ThreadedServer) -> None:
    lines = run("notebook.py", server.url("/melody.mp3"))
    assert lines[0].startswith(f"({SECONDS * 44_100}, 2) 44100 loudest sample 0.")
    assert lines[1] == f"audio (2, {SECONDS * 44_100}) 44100"
    assert lines[2].startswith("<iframe")


def test_abr_log(run: Runner, server: ThreadedServer) -> None:
    lines = run("abr_log.py", server.url("/fmp4/master.m3u8"), "300", "20")
    assert re.fullmatch(r"segment 0: variant \d, \d+ kbit/s \(\w+\)", lines[0])
    assert lines[-1].startswith(f"heard {SECONDS} s, waited ")


def test_dataset(run: Runner, server: ThreadedServer) -> None:
    urls = [server.url(f"/{name}") for name in ("melody.mp3", "none.mp3", "melody.flac")]
    lines = run("dataset.py", *urls)
    assert lines[:2] == ["(160000,) 16000"] * 2
    assert "404" in lines[2]
    assert len(lines) == 3
    assert run("dataset.py", *urls, environment={"WORKER": "0"}) == lines[:2]  # no 404: not its own


def test_fsspec_files(run: Runner, server: ThreadedServer) -> None:
    middle = SECONDS * 44_100 // 2
    told = f"TrackFile 44100 (1000, 2) {middle + 1000}"
    assert run("fsspec_files.py", server.url("/melody.flac")) == [told]
