from __future__ import annotations

import asyncio
import importlib.util
import itertools
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from kithara_assets import ResourceKey, asset_store

PROGRAM = Path(__file__).with_name("stress_worker.py")
SECONDS = 6.0

_spec = importlib.util.spec_from_file_location("stress_worker", PROGRAM)
assert _spec is not None
assert _spec.loader is not None
worker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(worker)


def start(root: Path, seed: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(PROGRAM), str(root), str(seed)]
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def stress(root: Path, seconds: float, processes: int) -> int:
    """Let processes use a root at once, one being killed now and then; how many were killed."""
    seeds = itertools.count()
    dice = random.Random(7)
    running = [start(root, next(seeds)) for _ in range(processes)]
    killed = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        turn = dice.randrange(processes)
        victim = running[turn]
        try:
            code = victim.wait(dice.uniform(0.3, 0.9))
        except subprocess.TimeoutExpired:
            victim.send_signal(signal.SIGKILL)
            code = victim.wait()
            killed += 1
        assert code == -signal.SIGKILL
        assert victim.stdin is not None
        victim.stdin.close()
        running[turn] = start(root, next(seeds))
    for process in running:
        process.communicate(b"stop\n", timeout=30)
        assert process.returncode == 0
    return killed


async def fill_pinned(root: Path) -> None:
    with asset_store(root) as store:
        for asset_root in worker.PINNED:
            key = ResourceKey(asset_root, "0.bin")
            whole = worker.content(asset_root, "0.bin")
            with store.open_streaming_resource(key) as resource:
                await resource.write_at(0, whole)
                await resource.commit(len(whole))
            store.pin(asset_root)


def check(root: Path) -> None:
    """Nothing is wrong, nothing is lost, nothing is locked, and the caps are met."""
    config = worker.CONFIG
    with asset_store(root, config) as store:
        assert store.verify().dropped == ()
        store.evict()
        found = store.assets()
        assert [asset.asset_root for asset in found if asset.leased] == []
        pinned = {asset.asset_root for asset in found if asset.pinned}
        assert set(worker.PINNED) <= pinned
        assert all((root / asset_root / "0.bin").exists() for asset_root in worker.PINNED)
        assert len(found) <= config.max_assets * 1.05
        assert sum(asset.bytes for asset in found) <= config.max_bytes * 1.05
        assert store.usage().bytes == sum(asset.bytes for asset in found)
    assert list(root.glob("_trash-*")) == []
    for path in root.glob("*/*.bin"):
        assert path.read_bytes() == worker.content(path.parent.name, path.name)


def test_processes_that_share_a_root_and_die(tmp_path: Path) -> None:
    asyncio.run(fill_pinned(tmp_path))
    assert stress(tmp_path, SECONDS, 3) > 3
    check(tmp_path)
