"""Servers, media, and the command line."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile

from commands import CommandLine
from sample import RATE, make_ladder, make_mp3, melody
from servers import Nginx, start_nginx
from workspace import ROOT

SHARED = ROOT.parent / "shared"


@pytest.fixture
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Nginx]]:
    """Start an nginx over a folder."""
    running: list[Nginx] = []

    def start(root: Path) -> Nginx:
        running.append(start_nginx(root, tmp_path_factory.mktemp("nginx")))
        return running[-1]

    yield start
    for server in running:
        server.stop()


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
