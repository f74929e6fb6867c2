"""Media that the tests make for themselves, and files that behave badly on purpose."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

RATE = 44100


def sound(
    frames: int, channels: int = 2, rate: int = RATE, noise: float = 0.05
) -> npt.NDArray[np.float64]:
    """Make tones that rise, and noise, which lossy codecs replace by noise of their own."""
    rng = np.random.default_rng(frames * channels)
    time = np.arange(frames) / rate
    tones = [
        0.3 * np.sin(2 * np.pi * (220 * (channel + 1) + 300 * time) * time)
        for channel in range(channels)
    ]
    hiss = noise * rng.standard_normal((frames, channels))
    return np.clip(np.stack(tones, axis=1) + hiss, -1, 1)


def ffmpeg(*arguments: str | Path) -> bytes:
    if shutil.which("ffmpeg") is None:
        pytest.skip("the ffmpeg command line is not installed")
    words = ["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout


def ffmpeg_pcm(path: Path, channels: int) -> npt.NDArray[np.float32]:
    """Decode with the ffmpeg command line, an oracle that nobody here wrote."""
    raw = ffmpeg("-i", path, "-map", "0:a:0", "-f", "f32le", "-")
    return np.frombuffer(raw, np.float32).reshape(-1, channels)


def mpg123_pcm(path: Path, channels: int) -> npt.NDArray[np.float32]:
    """Decode with the mpg123 command line."""
    if shutil.which("mpg123") is None:
        pytest.skip("the mpg123 command line is not installed")
    words = ["mpg123", "-q", "-e", "f32", "-s", str(path)]
    raw = subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout
    return np.frombuffer(raw, np.float32).reshape(-1, channels)


class Media:
    """Makes each file once per session, on demand.

    What ffmpeg encodes is taken from `kept`, if an earlier session left it there: that program
    takes longer to start than most tests to run.
    """

    def __init__(self, folder: Path, kept: Path | None = None) -> None:
        self.folder = folder
        self._kept = kept

    def pcm(
        self, name: str, *, subtype: str = "PCM_16", frames: int = 100_000, channels: int = 2
    ) -> Path:
        """A file that libsndfile writes; the suffix says which format."""
        path = self._path(name, frames, channels, subtype)
        if not path.exists():
            noise = 0.0 if name.startswith("tones") else 0.05
            soundfile.write(path, sound(frames, channels, noise=noise), RATE, subtype=subtype)
        return path

    def coded(self, name: str, *options: str, frames: int = 200_000, channels: int = 2) -> Path:
        """A file that the ffmpeg command line writes; without noise if its name says tones."""
        path = self._path(name, frames, channels, *options)
        if not path.exists():
            kind = "tones" if name.startswith("tones") else "noisy"
            source = self.pcm(f"{kind}-{frames}-{channels}.wav", frames=frames, channels=channels)
            self._encode(source, options, path)
        return path

    def _path(self, name: str, *what: object) -> Path:
        """One for each kind of file, whoever else took its name."""
        folder = self.folder / hashlib.sha256(repr(what).encode()).hexdigest()[:8]
        folder.mkdir(exist_ok=True)
        return folder / name

    def _encode(self, source: Path, options: tuple[str, ...], path: Path) -> None:
        if self._kept is None:
            ffmpeg("-i", source, *options, path)
            return
        key = hashlib.sha256("\0".join((source.name, *options, path.name)).encode()).hexdigest()
        kept = self._kept / key
        if kept.exists():
            shutil.copyfile(kept, path)
            return
        ffmpeg("-i", source, *options, path)
        with tempfile.NamedTemporaryFile(dir=self._kept, delete=False) as copy:
            copy.write(path.read_bytes())
        Path(copy.name).replace(kept)  # another session may be doing the same


def media_version() -> str:
    """Name what all media depend on: the functions here, and the encoder."""
    version = ffmpeg("-version") if shutil.which("ffmpeg") else b""
    return hashlib.sha256(Path(__file__).read_bytes() + version).hexdigest()[:16]


class Seekable(io.RawIOBase):
    """Bytes that come at most `step` at a time; a read may fail once.

    `fail_at` is the number of the read that raises `error`, `fail_seek_at` that of the seek;
    `reads` and `seeks` count them.
    """

    def __init__(self, content: bytes, step: int = 1 << 30) -> None:
        self._inner = io.BytesIO(content)
        self._step = step
        self.reads = 0
        self.seeks = 0
        self.fail_at = -1
        self.fail_seek_at = -1
        self.error: BaseException = ConnectionError("the line went dead")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.seeks += 1
        if self.seeks == self.fail_seek_at:
            raise self.error
        return self._inner.seek(offset, whence)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        self.reads += 1
        if self.reads == self.fail_at:
            raise self.error
        with memoryview(buffer).cast("B") as view:
            return self._inner.readinto(view[: self._step])


class Unseekable(Seekable):
    """The same, to be read once from start to end, of unknown length."""

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0, /) -> int:
        raise io.UnsupportedOperation("seek")


class Arriving(io.RawIOBase):
    """Bytes that arrive when the test says so; a read blocks until then, a close wakes it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._arrived = 0
        self._at = 0
        self._changed = threading.Condition()
        self._shut = False
        self.blocked = threading.Event()

    def readable(self) -> bool:
        return True

    def arrive(self, count: int) -> None:
        with self._changed:
            self._arrived = min(len(self._content), self._arrived + count)
            self.blocked.clear()
            self._changed.notify_all()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with memoryview(buffer).cast("B") as view, self._changed:
            while self._at >= self._arrived < len(self._content) and not self._shut:
                self.blocked.set()
                self._changed.wait()
            if self._shut:
                raise InterruptedError("the file was closed under its reader")
            block = self._content[self._at : self._arrived][: len(view)]
            view[: len(block)] = block
            self._at += len(block)
            return len(block)

    def close(self) -> None:
        with self._changed:
            self._shut = True
            self._changed.notify_all()
        super().close()
