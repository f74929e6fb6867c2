"""CPU seconds per hour of audio, and bytes until the first PCM, against other decoders.

One core, every decoder in a process of its own, in turn. The figures are processor time (user and
system) of that process less that of its start, which matters for the command lines. The media are
made here; the bytes are counted by a file object that hands out 4 KiB at a time. Names of formats
("mp3 flac") choose among them.
"""

import asyncio
import io
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import av
import miniaudio
import numpy as np
import soundfile

from kithara_decode import AudioStream, open_decoder
from peers import measure, record

SECONDS = 120
ROUNDS = 5
BLOCK = 4096
FORMATS = {
    "mp3": ("-b:a", "192k"),
    "flac": (),
    "ogg": ("-c:a", "libvorbis", "-q:a", "5"),
    "opus": ("-c:a", "libopus", "-b:a", "128k", "-ar", "48000"),
    "wav": (),
    "m4a": ("-c:a", "aac", "-b:a", "160k"),
    "aac": ("-c:a", "aac", "-b:a", "160k"),
    "ts": ("-c:a", "aac", "-b:a", "160k"),
    "mp4": ("-c:a", "aac", "-b:a", "160k", "-movflags", "+empty_moov", "-frag_duration", "6000000"),
}
OURS = ("kithara", "AudioStream", "AudioStream async")


class Counting(io.RawIOBase):
    """A file that counts the bytes it gives; they come as from a network, a little at a time."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.given = 0

    def readable(self) -> bool:
        """Answer as every file for reading does."""
        return True

    def seekable(self) -> bool:
        """Answer that it seeks, as a file over HTTP ranges does."""
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def read(self, size: int = -1, /) -> bytes:
        """Give at most 4 KiB."""
        block = self._file.read(min(size, 4096) if size >= 0 else 4096)
        self.given += len(block)
        return block

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # narrower
        """Give at most 4 KiB."""
        block = self.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        """Close the file below, too."""
        self._file.close()
        super().close()


def kithara_blocks(path: Path) -> None:
    """Read into one array, block by block."""
    with path.open("rb") as file, open_decoder(file) as decoder:
        array = np.empty((BLOCK, decoder.spec.channels), np.float32)
        while decoder.read_into(array):
            pass


def kithara_stream(path: Path) -> None:
    """Take all chunks of the stream with its thread."""
    with path.open("rb") as file, AudioStream(file) as stream:
        for _ in stream:
            pass


def kithara_task(path: Path) -> None:
    """Do so in a task."""

    async def take_all() -> None:
        with path.open("rb") as file:
            async with AudioStream(file) as stream:
                async for _ in stream:
                    pass

    asyncio.run(take_all())


def soundfile_blocks(path: Path) -> None:
    """Read into one array, block by block, from a file object as we do."""
    with path.open("rb") as raw, soundfile.SoundFile(raw) as file:
        array = np.empty((BLOCK, file.channels), np.float32)
        while len(file.read(out=array)):
            pass


def soundfile_whole(path: Path) -> None:
    """Read all at once."""
    soundfile.read(path, dtype="float32")


def miniaudio_stream(path: Path) -> None:
    """Read the format's own rate and channels as a stream, in float32."""
    info = miniaudio.get_file_info(str(path))
    for _ in miniaudio.stream_file(
        str(path),
        output_format=miniaudio.SampleFormat.FLOAT32,
        nchannels=info.nchannels,
        sample_rate=info.sample_rate,
        frames_to_read=BLOCK,
    ):
        pass


def pyav(path: Path) -> None:
    """Decode all frames, and take each as an array."""
    with av.open(str(path), "r") as container:
        for frame in container.decode(audio=0):
            frame.to_ndarray()


def mpg123(path: Path) -> None:
    """Run its test mode, which decodes and throws away."""
    subprocess.run(["mpg123", "-q", "-t", "-e", "f32", str(path)], check=True)


def ffmpeg(path: Path) -> None:
    """Run it on one thread, its output thrown away."""
    words = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), "-f", "null", "-"]
    subprocess.run(words, check=True)


PEERS: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "kithara": (kithara_blocks, tuple(FORMATS)),
    "AudioStream": (kithara_stream, tuple(FORMATS)),
    "AudioStream async": (kithara_task, tuple(FORMATS)),
    "soundfile blocks": (soundfile_blocks, ("mp3", "flac", "ogg", "opus", "wav")),
    "soundfile whole": (soundfile_whole, ("mp3", "flac", "ogg", "opus", "wav")),
    "miniaudio stream": (miniaudio_stream, ("mp3", "flac", "ogg", "wav")),
    "PyAV": (pyav, tuple(FORMATS)),
    "mpg123 -t": (mpg123, ("mp3",)),
    "ffmpeg": (ffmpeg, tuple(FORMATS)),
}


def used() -> float:
    """Processor time of this process and of the children it waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def run(name: str, path: Path, _: int) -> float:
    """Decode once in a process of its own; processor seconds per hour of audio."""
    words = [sys.executable, __file__, "run", name, str(path)]
    answer = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return float(answer.stdout) * 3600 / SECONDS


def make(folder: Path, formats: Iterable[str]) -> dict[str, Path]:
    """Make the same two minutes in all of the formats: chords over noise, in stereo."""
    time = np.arange(SECONDS * 44100) / 44100
    rng = np.random.default_rng(1)
    chord = np.sin(2 * np.pi * 220 * time) + np.sin(2 * np.pi * (331 + np.sin(time)) * time)
    sound = 0.2 * np.stack((chord, chord[::-1]), axis=1) + 0.03 * rng.standard_normal(
        (len(time), 2)
    )
    source = folder / "sound.wav"
    soundfile.write(source, sound, 44100, subtype="PCM_16")
    made = {}
    for suffix in formats:
        made[suffix] = folder / f"made.{suffix}"
        words = ["ffmpeg", "-v", "error", "-y", "-i", source, *FORMATS[suffix], made[suffix]]
        subprocess.run(list(map(str, words)), check=True)
    return made


def first_pcm(path: Path) -> dict[str, int]:
    """Count the bytes that are taken before there is a sample."""
    with Counting(path) as file, open_decoder(file) as decoder:
        decoder.read(1)
        found = {"kithara": file.given}
    with Counting(path) as file, av.open(file, "r") as container:
        next(container.decode(audio=0))
        found["PyAV"] = file.given
    return found


def main(formats: Iterable[str]) -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        paths = make(Path(folder), formats)
        print("\nprocessor seconds per hour of audio")
        for suffix, path in paths.items():
            runs: dict[str, Callable[[int], float]] = {
                name: partial(run, name, path)
                for name, (_, suffixes) in PEERS.items()
                if suffix in suffixes
            }
            medians = measure(runs, ROUNDS)
            record(f"processor time for an hour of {suffix}", "s", medians)
            best = min(value for name, value in medians.items() if name not in OURS)
            for name, value in medians.items():
                ratio = value / medians["kithara"]
                print(f"  {suffix:<5} {name:<18} {value:7.2f}   {ratio:5.2f} × kithara")
            ratios = ", ".join(f"{name} {medians[name] / best:.2f}" for name in OURS)
            print(f"  {suffix:<5} against the best of the others: {ratios}")
        print("\nbytes until the first PCM")
        for suffix, path in paths.items():
            size = os.path.getsize(path)
            print(f"  {suffix:<5} of {size:9}: {first_pcm(path)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        before = used()
        PEERS[sys.argv[2]][0](Path(sys.argv[3]))
        print(used() - before)
    else:
        main(sys.argv[1:] or FORMATS)
