"""kill -9 at every system call of a download and commit, and at random; a real power cut.

A longer random run: `python packages/kithara-storage/tests/test_kill.py 60` (seconds).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

TARGET = Path(__file__).with_name("kill_target.py")
BATCH = 16 * 4096  # as the target's
SIZE = 12 * 4096 + 100
SBIN = "/usr/sbin:/sbin"
CALLS = ("openat", "pwritev2", "ftruncate", "fdatasync", "fsync", "rename", "unlink", "flock")


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def command(path: Path, size: int = SIZE, boot: int = 1) -> list[str]:
    return [sys.executable, "-I", str(TARGET), str(path), str(size), str(boot)]


def finish(path: Path, size: int = SIZE, boot: int = 1) -> int:
    """Go on to the end; how many bytes had to be written."""
    done = subprocess.run(command(path, size, boot), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(content(size)).digest()
    return int(done.stdout.split()[-1])


def start(path: Path, size: int, boot: int = 1) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(path, size, boot), stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )


def hear(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """What a run says from its start on for so long, or to its end."""
    assert process.stdout is not None
    said = b""
    until = None
    while select.select([process.stdout], [], [], until and max(0.0, until - time.monotonic()))[0]:
        more = os.read(process.stdout.fileno(), 1 << 16)
        if not more:
            break
        said += more
        if until is None and b"started" in said:
            until = time.monotonic() + seconds
    return said


def promised(said: bytes, *, power_cut: bool = False) -> int:
    """How many bytes must be found again: what is safe; after a kill all but one batch."""
    most = 0
    for line in said.splitlines(keepends=True):
        word, _, count = line.partition(b" ")
        if line.endswith(b"\n") and word == b"safe":
            most = max(most, int(count))
        elif line.endswith(b"\n") and word == b"accepted" and not power_cut:
            most = max(most, int(count) - BATCH)
    return most


def strace_works() -> bool:
    if shutil.which("strace") is None:
        return False
    words = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fsync", "true"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, int]]:
    """Every storage call that a whole run makes, counted by strace."""
    if not strace_works():
        pytest.skip("strace is not installed, or may not trace here")
    folder = tmp_path_factory.mktemp("count")
    subprocess.run(command(folder / "warm"), check=True, capture_output=True)  # writes all .pyc
    log = folder / "log"
    words = ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=" + ",".join(CALLS)]
    subprocess.run([*words, *command(folder / "a")], check=True, capture_output=True)
    seen: Counter[tuple[str, str]] = Counter()
    found: list[tuple[str, int]] = []
    for line in log.read_text().splitlines():
        thread, text = line.split(None, 1)
        call = text.partition("(")[0]
        if call in CALLS:
            seen[thread, call] += 1  # strace counts for each thread
            if call != "openat" or str(folder) in line:
                found.append((call, seen[thread, call]))
    found = sorted(set(found))
    assert {call for call, _ in found} == set(CALLS)
    return found


@pytest.mark.timeout(300)
def test_killed_at_every_storage_call(tmp_path: Path, points: list[tuple[str, int]]) -> None:
    def kill_and_go_on(number: int) -> bool:
        call, when = points[number]
        path = tmp_path / str(number) / "a"
        path.parent.mkdir()
        words = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}"]
        words += ["-e", f"inject={call}:signal=SIGKILL:when={when}"]
        killed = subprocess.run([*words, *command(path)], capture_output=True, check=False)
        assert SIZE - finish(path) >= promised(killed.stdout)
        left = sorted(os.listdir(path.parent))
        assert left == ["a", "a.meta"], (call, when, left)
        return killed.returncode != 0

    with ThreadPoolExecutor(4) as pool:
        dead = list(pool.map(kill_and_go_on, range(len(points))))
    # Which thread makes which call may change from run to run: not every point is met again.
    assert len(points) > 20
    assert sum(dead) > 20


def random_kills(folder: Path, seconds: float, size: int) -> int:
    """Kill again and again; at most one batch is written twice. How many kills there were."""
    dice = random.Random(1)
    until = time.monotonic() + seconds
    kills = 0
    while time.monotonic() < until:
        path = folder / f"{kills}" / "a"
        path.parent.mkdir()
        kept = 0
        for _ in range(6):
            process = start(path, size)
            said = hear(process, dice.random() * 0.02)
            process.kill()
            rest, errors = process.communicate(timeout=30)
            assert b"AssertionError" not in errors, errors
            kept = max(kept, promised(said + rest))
            kills += 1
        assert size - finish(path, size) >= kept
        shutil.rmtree(path.parent)
    return kills


@pytest.mark.timeout(120)
def test_killed_at_random(tmp_path: Path) -> None:
    assert random_kills(tmp_path, 2, 400 * 4096 + 7) >= 6


@contextlib.contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    at.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop,commit=1", str(image), str(at)], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)


@pytest.mark.timeout(120)
def test_a_real_power_cut(tmp_path: Path) -> None:
    """A copy of the image of a mounted file system is what a power cut leaves on the disk."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4", path=SBIN) is None:
        pytest.skip("mounting an image needs root and mkfs.ext4")
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(
        ["mkfs.ext4", "-q", "-F", str(image)], check=True, env={"PATH": "/usr/sbin:/sbin"}
    )
    try:
        with mounted(image, tmp_path / "probe"):
            pass
    except subprocess.CalledProcessError:
        pytest.skip("this machine lets nobody mount a loop device")
    size, dice = 1000 * 4096, random.Random(2)
    for cut in range(2):
        with mounted(image, tmp_path / "live") as live:
            process = start(live / f"{cut}", size)
            said = hear(process, 0.05 + dice.random() * 0.3)
            shutil.copyfile(image, tmp_path / "after")
            process.kill()
            process.communicate()
        with mounted(tmp_path / "after", tmp_path / "found") as found:
            kept = size - finish(found / f"{cut}", size, 2)
        assert kept >= promised(said, power_cut=True) > 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(random_kills(Path(scratch), float(sys.argv[1]), 400 * 4096 + 7), "kills")  # noqa: T201  # says what a longer run did
