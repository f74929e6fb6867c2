"""What `make demo` shows is true."""

import subprocess
import sys
from pathlib import Path

import soundfile

from workspace import ROOT


def test_the_demo_plays_the_same_again_from_the_cache(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "demo/demo.py")],
        cwd=tmp_path, capture_output=True, text=True, timeout=55, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the same samples") == 2
    network, cache = (soundfile.read(tmp_path / f"demo-output/0-{way}.wav")[0]
                      for way in ("network", "cache"))  # fmt: skip
    assert len(network) > 30 * 44_100
    assert (network == cache).all()
