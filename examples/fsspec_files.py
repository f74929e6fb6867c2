"""Audio URLs as fsspec files: whatever takes fsspec reads them while they arrive, and keeps them.

Needs: pip install 'kithara[av]' fsspec soundfile. Importing this teaches fsspec the name; then
fsspec.open("kithara://https://example.org/a.flac") does what `soundfile` is shown to do here.
"""

import io
import sys
from typing import Any

import fsspec
import soundfile
from fsspec.spec import AbstractFileSystem

import kithara


class TrackFile(io.BufferedReader):
    """The bytes of a track; closing the file closes the track."""

    def __init__(self, url: str) -> None:
        self._track = kithara.open(url)
        super().__init__(self._track.reader(), 64 * 1024)

    def close(self) -> None:
        super().close()
        self._track.close()


class KitharaFileSystem(AbstractFileSystem):
    """Opens URLs for reading. `info` and the cache of blocks that fsspec has are not needed."""

    protocol = "kithara"  # of the URLs that it opens

    def open(self, path: str, mode: str = "rb", **options: Any) -> TrackFile:
        if mode != "rb":
            raise ValueError("what comes from elsewhere is read only")
        return TrackFile(self._strip_protocol(path))


fsspec.register_implementation("kithara", KitharaFileSystem)

if __name__ == "__main__":
    with fsspec.open(f"kithara://{sys.argv[1]}") as file, soundfile.SoundFile(file) as audio:
        audio.seek(audio.frames // 2)
        print(type(file).__name__, audio.samplerate, audio.read(1000).shape, audio.tell())
