"""The command line as a user runs it, and another decoder's."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from typer.testing import CliRunner

from _kithara._cli import app


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

    def start(
        self, *words: str | Path, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start it in a process of its own."""
        words = (*words, "--cache", self.cache)
        return subprocess.Popen(
            [sys.executable, "-m", "kithara", *(str(word) for word in words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=os.environ | (environment or {}),
        )

    def run_apart(self, *words: str | Path, environment: dict[str, str] | None = None) -> Ran:
        """Run it in a process of its own to its end."""
        with self.start(*words, environment=environment) as process:
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


def ffmpeg_pcm(source: str | Path, *options: str) -> npt.NDArray[np.float32]:
    """What the ffmpeg command decodes, float32 (frames, channels); `options` are for its input."""
    probe = subprocess.run(
        ["ffprobe", "-v", "error", *options, "-select_streams", "a:0",
         "-show_entries", "stream=channels", "-of", "csv=p=0", str(source)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    channels = int(probe.stdout.split()[0].rstrip(","))
    done = subprocess.run(
        ["ffmpeg", "-v", "error", *options, "-i", str(source), "-map", "a:0", "-f", "f32le", "-"],
        capture_output=True, check=True,
    )  # fmt: skip
    return np.frombuffer(done.stdout, np.float32).reshape(-1, channels)
