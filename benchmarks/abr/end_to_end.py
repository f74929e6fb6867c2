"""Real players over real sockets: ours, hls.js in Chromium, and ffmpeg with each variant fixed.

    python -m abr.end_to_end LABORATORY --slowlink slowlink.py [--seconds 300] [--timelines FOLDER]

Run it in benchmarks/; it needs ffmpeg, npm and Chromium. LABORATORY is the folder with the
traces; one case of each scenario is played, one after another. The players play it at the same
time, each in a process of its own over a link of its own (a TCP relay that follows the trace),
from the same second of it. All get the same ladder of AAC in fragmented
MP4. hls.js is installed into a temporary folder, and buffers 60 seconds as its peers here do.
ffmpeg does not adapt: it is read ahead by 60 seconds and played from there.

The relay charges a piece of 16 KiB at the rate of one moment, so a second of next to nothing would
block it for minutes: the traces are means of four seconds, of at least 16 kbit/s.

A line tells what a listener has: mean bitrate, seconds of silence, seconds to the first sound,
switches, the laboratory's QoE for each second played, and by how many milliseconds a timer of the
player's process was late at worst. `--timelines` keeps what each player chose when, and why.
"""

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from abr.browser import chromium
from abr.players import ffmpeg, kithara
from abr.stage import LADDER, Heard, Stage, origin

SCENARIOS = ("edge", "weak-3g", "metro", "train-podcast", "lte-edge", "wifi", "sessions", "dsl")
SEGMENT = 6
FIXED = (0, 2, 5)
MEAN, LEAST = 4, 16.0  # seconds, kbit/s


@dataclass(frozen=True, slots=True)
class Road:
    """One path: its name, its round trip in seconds, and kbit/s for each four of them."""

    name: str
    rtt: float
    kbit: list[float]


def paths(laboratory: Path, wanted: Sequence[str]) -> list[Road]:
    """The first playable case of each scenario, from the second on at which it starts."""
    sys.dont_write_bytecode = True  # the laboratory's folder is not ours
    sys.path.insert(0, str(laboratory))
    lab: Any = importlib.import_module("scenarios")
    found = []
    for scenario in (s for s in lab.SCENARIOS if s.name in wanted):
        case = lab.cases("dev", 1, 60.0, (scenario.name,))[0]
        rates = [rate / 1e3 for rate in case.trace.bps]
        start = int(case.start_s) % len(rates)
        rates = rates[start:] + rates[:start]
        means = [sum(rates[at : at + MEAN]) / MEAN for at in range(0, len(rates) - MEAN + 1, MEAN)]
        found.append(Road(scenario.name, scenario.rtt_s, [max(LEAST, mean) for mean in means]))
    return found


def ladder(folder: Path, seconds: int) -> None:
    """Noise, which no encoder makes smaller than it is asked to, in each of the bitrates."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for number, kbit in enumerate(LADDER):
        out = folder / str(number)
        out.mkdir()
        noise = [f"anoisesrc=sample_rate=44100:seed={n}:duration={seconds}[{n}]" for n in (1, 2)]
        graph = ";".join(noise) + ";[1][2]amerge"
        command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", graph, "-c:a", "aac"]
        command += ["-b:a", f"{kbit}k", "-f", "hls", "-hls_time", str(SEGMENT)]
        command += ["-hls_segment_type", "fmp4", "-hls_playlist_type", "vod", "list.m3u8"]
        subprocess.run(command, cwd=out, check=True)
        size = sum(path.stat().st_size for path in out.glob("*.m4s"))
        lines.append(
            f"#EXT-X-STREAM-INF:BANDWIDTH={round(kbit * 1100)},"
            f'AVERAGE-BANDWIDTH={round(size * 8 / seconds)},CODECS="mp4a.40.2"\n{number}/list.m3u8'
        )
    (folder / "master.m3u8").write_text("\n".join(lines) + "\n")


def hls_js(folder: Path) -> Path:
    """Install hls.js from the npm registry; answer its script."""
    subprocess.run(["npm", "install", "--silent", "hls.js"], cwd=folder, check=True)
    return folder / "node_modules/hls.js/dist/hls.min.js"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("laboratory", type=Path)
    parser.add_argument("--slowlink", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--timelines", type=Path, help="folder for one JSON file of each path")
    parser.add_argument("--only", nargs="*", default=list(SCENARIOS))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        media, tools = folder / "media", folder / "tools"
        media.mkdir()
        tools.mkdir()
        ladder(media, asked.seconds)
        script = hls_js(tools)
        players: dict[str, Callable[[Stage], Heard]] = {
            "kithara": partial(kithara, goal=60.0),
            "kithara, 120 s": partial(kithara, goal=120.0),
            "hls.js": partial(chromium, script=script),
        }
        for index in FIXED:
            players[f"ffmpeg {LADDER[index]}k"] = partial(ffmpeg, index=index)
        with origin(media) as port:
            for path in paths(asked.laboratory, asked.only):
                trace = folder / f"{path.name}.trace"
                trace.write_text("".join(f"{MEAN} {rate:.3f}\n" for rate in path.kbit))
                stage = Stage(
                    slowlink=asked.slowlink,
                    trace=trace,
                    rtt=path.rtt,
                    origin=port,
                    seconds=float(asked.seconds),
                    segment=float(SEGMENT),
                )
                heard = play(players, stage)
                print("\n".join(table(path, asked.seconds, heard)), flush=True)
                if asked.timelines is not None:
                    told = {name: asdict(one) for name, one in heard.items()}
                    (asked.timelines / f"{path.name}.json").write_text(json.dumps(told))


def play(players: dict[str, Callable[[Stage], Heard]], stage: Stage) -> dict[str, Heard]:
    """All players over one path, each in a process of its own; they begin together."""
    context, count = get_context("spawn"), len(players)
    together = context.Barrier(count).wait
    with ProcessPoolExecutor(count, mp_context=context, initializer=together) as pool:
        runs = {name: pool.submit(player, stage) for name, player in players.items()}
        return {name: run.result() for name, run in runs.items()}


def table(path: Road, seconds: int, heard: dict[str, Heard]) -> list[str]:
    """A line for each player, the best first."""
    began = path.kbit[: seconds // MEAN]
    mean = sum(began) / len(began)
    head = f"{path.name}: {mean:.0f} kbit/s, {path.rtt * 1e3:.0f} ms"
    lines = [
        f"{head:30s} {'kbit/s':>7s} {'stall s':>8s} {'start s':>8s} {'switches':>8s} {'QoE/s':>6s}"
        f" {'late ms':>8s}"
    ]
    for name, one in sorted(heard.items(), key=lambda item: -item[1].qoe):
        lines.append(
            f"  {name:28s} {one.kbit:7.0f} {one.stalled:8.1f} {one.start:8.2f}"
            f" {one.switches:8d} {one.qoe:6.2f} {one.late * 1e3:8.0f}"
        )
    return lines


if __name__ == "__main__":
    main()
