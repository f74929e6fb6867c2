"""Runs the comparisons with peers and writes their figures into README.md and docs/performance.md.

    python tools/figures.py [--keep FILE]   # runs the benchmarks, some ten minutes; then writes
    python tools/figures.py --from FILE     # writes what an earlier run kept

Run it where nothing else runs. With SLOWLINK set to the path of a relay that delays and shapes
(see bench_latency.py) the figures of distant servers are there, too.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
SCRIPTS = ("bench_download", "bench_decode", "bench_first_pcm", "bench_net", "bench_storage",
           "bench_hls", "bench_latency", "bench_many")  # fmt: skip

# What the root README shows, by the titles of the benchmarks: one row for what a user feels.
SHOWN = {
    "cold download of 512 MiB": "download 512 MiB into the cache",
    "processor time for each GiB of it": "… processor time for a GiB",
    "reading 512 MiB back from the cache": "read it back from the cache",
    "first PCM of melody.mp3 at 1 Mbit/s": "first sound of an MP3, 1 Mbit/s",
    "first PCM of fmp4/aac-2.m3u8 at 1 Mbit/s": "first sound of HLS, 1 Mbit/s",
    "seek in a.mp3": "seek in an MP3, 100 ms away",
    "seek in head.m4a": "… in an M4A",
    "fmp4: seek to a minute not fetched (100 ms, 20 Mbit/s)": "… in HLS",
    "fmp4: CPU for the whole on loopback": "processor time for 3 minutes of HLS",
    "processor time for an hour of mp3": "decode an hour of MP3",
    "processor time for an hour of flac": "… of FLAC",
    "processor time for an hour of ogg": "… of Ogg Vorbis",
    "processor time for an hour of m4a": "… of AAC",
    "storing 64 MiB as values of 64 KiB": "store 64 MiB in 64 KiB pieces",
}
NO_PEERS = ("kithara", "AudioStream", "bare requests")
EVEN = 0.05  # differences up to this are not told from noise


@dataclass(frozen=True, slots=True)
class Comparison:
    """One question, and the median of everybody's answers; less is better."""

    title: str
    unit: str
    medians: dict[str, float]

    @property
    def peers(self) -> dict[str, float]:
        """The others, the best first; not ours with other settings, nor what bounds everybody."""
        others = (peer for peer in self.medians.items() if not peer[0].startswith(NO_PEERS))
        return dict(sorted(others, key=lambda peer: peer[1]))

    @property
    def verdict(self) -> str:
        """Kithara against the best of the others."""
        name, best = next(iter(self.peers.items()))
        ratio = self.medians["kithara"] / best
        if abs(ratio - 1) <= EVEN:
            return f"as {name}"
        if ratio < 1:
            return f"{1 / ratio:.1f} × better than {name}"
        return f"**{ratio:.1f} × worse than {name}**"

    def row(self, label: str, most: int | None = None) -> str:
        """A line of a table in Markdown; with the best of the others, if they are too many."""
        others = ", ".join(
            f"{name} {self.amount(self.peers[name])}" for name in [*self.peers][:most]
        )
        return f"| {label} | {self.amount(self.medians['kithara'])} | {others} | {self.verdict} |"

    def amount(self, value: float) -> str:
        """A figure with three digits and its unit."""
        digits = f"{value:.3g}" if value < 1000 else f"{value:.0f}"
        return f"{digits} {self.unit}"


def run(kept: Path) -> None:
    """Run the benchmarks; each appends what it measures to a file."""
    relay = os.environ.get("SLOWLINK")
    path = os.pathsep.join((str(ROOT / "demo"), os.environ.get("PYTHONPATH", "")))
    environment = {**os.environ, "KITHARA_FIGURES": str(kept), "PYTHONPATH": path}
    for script in SCRIPTS:
        words = [sys.executable, str(BENCHMARKS / f"{script}.py")]
        if script == "bench_hls" and relay:
            words += ["--slowlink", relay]
        subprocess.run(words, env=environment, check=True)


def read(kept: Path) -> list[Comparison]:
    """What was kept, of a question the latest answer; only questions that others answered, too."""
    lines = kept.read_text(encoding="utf-8").splitlines()
    found = {one.title: one for one in (Comparison(**json.loads(line)) for line in lines)}
    return [comparison for comparison in found.values() if comparison.peers]


def machine() -> str:
    """Where it was measured, as a sentence."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists() and (named := re.search(r"model name\s*: (.+)", info.read_text())):
        model = named[1]
    return (
        f"Medians, each row of one run, on {os.cpu_count()} cores of {model}, {platform.system()}, "
        f"Python {platform.python_version()}; less is better, differences below "
        f"{EVEN:.0%} count as none."
    )


def table(comparisons: list[Comparison], labels: dict[str, str] | None = None) -> str:
    """A table in Markdown: of all, or of those that have a label."""
    if labels is None:
        rows = [comparison.row(comparison.title) for comparison in comparisons]
    else:
        found = {comparison.title: comparison for comparison in comparisons}
        rows = [found[t].row(label, most=3) for t, label in labels.items() if t in found]
    head = ["| | Kithara | others | |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, "", machine()])


def put(page: Path, text: str) -> None:
    """Replace what stands between the marks of a page."""
    begin, end = "<!-- figures: begin -->\n", "<!-- figures: end -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{page.name} has no marks {begin.strip()} and {end}")
    page.write_text(f"{before}{begin}{text}\n{end}{after}", encoding="utf-8")


def main() -> None:
    """Measure, or read what was measured, and write both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", type=Path, help="keep the figures here, as JSON lines")
    parser.add_argument("--from", type=Path, dest="kept", help="figures of an earlier run")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kept = asked.kept or asked.keep or Path(folder) / "figures.jsonl"
        if asked.kept is None:
            kept.unlink(missing_ok=True)
            run(kept)
        found = read(kept)
    put(ROOT / "README.md", table(found, SHOWN))
    put(ROOT / "docs" / "performance.md", table(found))


if __name__ == "__main__":
    main()
