"""A tone over HTTP."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from kithara_net.testing import ThreadedServer

RATE = 8000


@pytest.fixture(scope="session")
def tone() -> npt.NDArray[np.float32]:
    """Two seconds, stereo, of values that 24-bit files keep exactly."""
    steps = np.random.default_rng(5).integers(-(2**23), 2**23, (2 * RATE, 2))
    return (steps / 2**23).astype(np.float32)


@pytest.fixture(scope="session")
def wav(tone: npt.NDArray[np.float32]) -> bytes:
    made = io.BytesIO()
    soundfile.write(made, tone, RATE, format="WAV", subtype="PCM_24")
    return made.getvalue()


@pytest.fixture(scope="session")
def damaged(tone: npt.NDArray[np.float32]) -> bytes:
    """The tone as FLAC of which some blocks in the middle are gone."""
    made = io.BytesIO()
    soundfile.write(made, tone, RATE, format="FLAC", subtype="PCM_24")
    flac = bytearray(made.getvalue())
    middle = len(flac) // 2
    flac[middle : middle + 1000] = bytes(1000)
    return bytes(flac)


@pytest.fixture
def server(wav: bytes) -> Iterator[ThreadedServer]:
    with ThreadedServer() as server:
        server.add("/tone.wav", wav)
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"
