"""Real servers, real media, and the command line as a user runs it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from typer.testing import CliRunner

from kithara._cli import app
from sample import RATE, make_ladder, make_mp3, melody

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

NGINX_CONF = """
{user}worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    default_type application/octet-stream;
    types {{ application/vnd.apple.mpegurl m3u8; audio/mpeg mp3; audio/flac flac; }}
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@dataclass
class Nginx:
    """A real nginx that serves one folder until it is stopped."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def requests(self) -> list[str]:
        """The lines of the access log."""
        return (self.folder / "access.log").read_text().splitlines()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return once something listens; a refused connection answers at once, so this ends soon."""
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except ConnectionRefusedError:
            continue
    raise RuntimeError(f"the server ended with {process.returncode} before it listened")


@pytest.fixture
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Nginx]]:
    """Start an nginx over a folder."""
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    assert program is not None, "nginx is missing: run tools/bootstrap test"
    running: list[Nginx] = []

    def start(root: Path) -> Nginx:
        folder, port = tmp_path_factory.mktemp("nginx"), free_port()
        # As root it would serve as another user, who may not read the tests' folders.
        user = "user root;" if os.geteuid() == 0 else ""
        conf = folder / "nginx.conf"
        conf.write_text(NGINX_CONF.format(folder=folder, port=port, root=root, user=user))
        process = subprocess.Popen([program, "-c", str(conf), "-e", str(folder / "early.log")])
        running.append(Nginx(folder, port, process))
        wait_for_port(port, process)
        return running[-1]

    yield start
    for server in running:
        server.stop()


@dataclass
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class CommandLine:
    """The command `kithara` with a cache and a working folder of its own."""

    cache: Path
    folder: Path

    def __call__(self, *words: str | Path) -> Ran:
        """Run it in this process."""
        words = (*words, "--cache", self.cache)
        result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
        return Ran(result.exit_code, result.stdout, result.stderr)

    def start(self, *words: str | Path, path: Path | None = None) -> subprocess.Popen[str]:
        """Start it in a process of its own; `path` comes first where modules are looked up."""
        words = (*words, "--cache", self.cache)
        return subprocess.Popen(
            [sys.executable, "-m", "kithara", *(str(word) for word in words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=os.environ | ({"PYTHONPATH": str(path)} if path else {}),
        )

    def run_apart(self, *words: str | Path, path: Path | None = None) -> Ran:
        """Run it in a process of its own to its end."""
        with self.start(*words, path=path) as process:
            out, err = process.communicate(timeout=60)
            return Ran(process.returncode, out, err)

    def decode(self, url: str, *options: str) -> npt.NDArray[np.float32]:
        """Decode a URL into a WAV and read that with another library: (frames, channels)."""
        wav = self.folder / "out.wav"
        wav.unlink(missing_ok=True)
        ran = self("decode", url, "-o", wav, *options)
        assert ran.code == 0, ran.err
        pcm: npt.NDArray[np.float32] = soundfile.read(wav, dtype="float32", always_2d=True)[0]
        return pcm


@pytest.fixture
def kithara_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return CommandLine(tmp_path / "cache", folder)


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Media of the tests' own making: melody.{mp3,wav,flac}, fmp4/ and ts/ ladders; 12 s."""
    folder = tmp_path_factory.mktemp("media")
    pcm = melody(12)
    make_mp3(folder / "melody.mp3", pcm)
    make_ladder(folder / "fmp4", pcm)
    make_ladder(folder / "ts", pcm, kind="mpegts")
    soundfile.write(folder / "melody.wav", pcm, RATE, subtype="PCM_24")
    soundfile.write(folder / "melody.flac", pcm, RATE, subtype="PCM_16")
    return folder


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Real media made by others, where this checkout has them beside it."""
    folder = SHARED / "corpora"
    if not folder.is_dir():
        pytest.skip("the corpora of real media are not beside this checkout")
    return folder


def ffmpeg_pcm(source: str | Path) -> npt.NDArray[np.float32]:
    """What the ffmpeg command decodes: float32 (frames, channels)."""
    probe = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", "stream=channels",
         "-of", "csv=p=0", str(source)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    channels = int(probe.stdout.split()[0].rstrip(","))
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(source), "-map", "a:0", "-f", "f32le", "-"],
        capture_output=True, check=True,
    )  # fmt: skip
    return np.frombuffer(done.stdout, np.float32).reshape(-1, channels)
