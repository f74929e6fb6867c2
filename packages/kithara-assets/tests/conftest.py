from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kithara_assets import DiskAssetStore, asset_store


@pytest.fixture(autouse=True)
def no_leaks(tmp_path: Path) -> Iterator[None]:
    """Every test leaves no writer thread, and no open file of its folder."""
    yield
    threads = [thread.name for thread in threading.enumerate() if "kithara" in thread.name]
    assert threads == []
    assert open_files(tmp_path) == []


def open_files(folder: Path) -> list[str]:
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue
        if target.startswith(str(folder)):
            found.append(target)
    return found


@pytest.fixture
def store(tmp_path: Path, no_leaks: None) -> Iterator[DiskAssetStore]:
    with asset_store(tmp_path / "cache") as store:
        yield store
