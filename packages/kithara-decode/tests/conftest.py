"""Fixtures: media made once per session, the corpora, and the check that nothing leaks."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

# pytest's importlib mode leaves sys.path alone, so that test files could not share a module.
sys.path.insert(0, str(Path(__file__).parent))

from decode_files import Media, media_version

CORPORA = Path(__file__).resolve().parents[3].parent / "shared" / "corpora"


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Media:
    kept = None
    if request.config.pluginmanager.hasplugin("cacheprovider"):
        kept = request.config.cache.mkdir(f"kithara-media-{media_version()}")
    return Media(tmp_path_factory.mktemp("media"), kept)


@pytest.fixture
def corpora() -> Path:
    if not CORPORA.is_dir():
        pytest.skip(f"needs the corpora at {CORPORA}")
    return CORPORA


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Every test leaves no decode thread and no file descriptor behind."""
    before = open_files()
    yield
    assert [t.name for t in threading.enumerate() if t.name == "kithara-decode"] == []
    assert open_files() - before == set()


def open_files() -> set[str]:
    found = set()
    folder = Path("/proc/self/fd")
    for entry in folder.iterdir() if folder.is_dir() else ():
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue
        if target.startswith("/") and not target.startswith(("/dev/", "/proc/")):
            found.add(target)
    return found
