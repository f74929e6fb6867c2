"""Our rule and the laboratory's peers on made-up paths, ladders and segments that nobody tuned on.

    python -m abr.robustness LABORATORY [--per 8] [--jobs 2] [--family tunnels] [--only kithara hyb]

Run it in benchmarks/. LABORATORY is the folder with sim.py, bench.py and offline.py, which needs
NumPy. All is drawn from chance with fixed seeds: how the path behaves (a family for each kind),
its mean, its round trip, the ladder (2 to 10 steps, with FLAC or not), segments of 2 to 10 s,
tracks that are skipped or not. A path that does not carry the lowest variant is drawn anew.

The first table has the share of the offline optimum at 60 s of read-ahead, by family; the second
silence and quality at 120 s. Below each stand the bars that were missed, if any.
"""

import argparse
import math
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from abr import adapter
from abr.whole import Modules

Laboratory: TypeAlias = Any  # its modules are found at run time and have no types to import
Shape: TypeAlias = Callable[[random.Random], Iterator[float]]  # multiples of a mean, each second

SECONDS = 1200  # of a path; then it begins anew
NEAR, FAR = 60.0, 120.0  # seconds of read-ahead
MEAN, P5 = 0.88, 0.72  # of the optimum
SILENCE = 7.0  # seconds in an hour
PLAYERS = ("hls.js", "shaka", "exoplayer", "dash.js-dynamic", "dash.js-throughput")
LEADS = {"hls.js": 0.10, "shaka": 0.07, "exoplayer": 0.055, "dash.js-dynamic": 0.09}
LEADS |= {"dash.js-throughput": 0.10, "dash.js-bola-e": 0.09, "bola-basic": 0.035}
LEADS |= {"bba-0": 0.035, "robust-mpc": 0.02, "hyb": 0.01}
LADDERS = (
    (64, 320),
    (64, 128, 320),
    (64, 96, 128, 192, 256, 320),
    (64, 96, 128, 192, 256, 320, 1000),
    (32, 48, 64, 80, 96, 128, 160, 192, 256, 320),
    (32, 64, 128, 256),
)
SEGMENTS = (2.0, 4.0, 6.0, 10.0)
ROUND_TRIPS = (0.03, 0.08, 0.2, 0.4)


def on_and_off(rng: random.Random) -> Iterator[float]:
    """Two states, good and bad, that change by chance."""
    good, stays = True, rng.uniform(15.0, 60.0)
    low = rng.uniform(0.1, 0.4)
    while True:
        yield 1.0 if good else low
        if rng.random() < 1.0 / stays:
            good = not good


def sine(rng: random.Random) -> Iterator[float]:
    """Slow swings, as of a cell that fills and empties."""
    period, swing, second = rng.uniform(40.0, 300.0), rng.uniform(0.3, 0.8), 0
    while True:
        noise = rng.lognormvariate(0.0, 0.1)
        yield (1.0 + swing * math.sin(2.0 * math.pi * second / period)) * noise
        second += 1


def steps(rng: random.Random) -> Iterator[float]:
    """Another level every half minute or so."""
    while True:
        level = rng.lognormvariate(0.0, 0.5)
        for _ in range(rng.randint(10, 60)):
            yield level


def tunnels(rng: random.Random) -> Iterator[float]:
    """A good line with holes in which nothing comes."""
    while True:
        for _ in range(rng.randint(40, 150)):
            yield rng.lognormvariate(0.0, 0.2)
        for _ in range(rng.randint(5, 25)):
            yield 0.0


def bursts(rng: random.Random) -> Iterator[float]:
    """A cell that serves now this one, now that one."""
    state = 0.0
    while True:
        state = 0.6 * state + rng.gauss(0.0, 0.7)
        yield math.exp(state)


def decay(rng: random.Random) -> Iterator[float]:
    """Good at first, then ever less for ten minutes, then good again."""
    while True:
        start, falls = rng.uniform(1.5, 3.0), rng.uniform(200.0, 600.0)
        for second in range(600):
            yield start * math.exp(-second / falls) * rng.lognormvariate(0.0, 0.15)


def steady(rng: random.Random) -> Iterator[float]:
    """A line, with 20 % of noise."""
    while True:
        yield rng.uniform(0.8, 1.2)


FAMILIES: dict[str, Shape] = {
    shape.__name__: shape for shape in (on_and_off, sine, steps, tunnels, bursts, decay, steady)
}


def cases(lab: Modules, family: str, count: int) -> list[Laboratory]:
    """The first ``count`` playable cases of a family."""
    found: list[Laboratory] = []
    number = 0
    while len(found) < count:
        key = f"{family}/{number}"
        rng = random.Random(key)
        ladder = [1e3 * kbit for kbit in LADDERS[number % len(LADDERS)]]
        shape = FAMILIES[family](rng)
        rates = [next(shape) for _ in range(SECONDS)]
        mean = rng.uniform(2.0, 8.0) * ladder[0] / 1e3 * SECONDS / sum(rates)
        skips = number % 3 == 0
        tracks = [(rng.uniform(150, 240), rng.uniform(15, 100) if skips else None) for _ in "1234"]
        session = lab.sim.make_session(
            family, ladder, tracks, rng.choice(SEGMENTS), rng.choice(ROUND_TRIPS), NEAR, key
        )
        trace = lab.sim.Trace(key, [mean * rate for rate in rates])
        case = lab.scenarios.Case(key, family, trace, session, rng.uniform(0.0, SECONDS))
        if lab.scenarios.playable(case):
            found.append(case)
        number += 1
    return found


def one(
    laboratory: Path, count: int, only: list[str], family: str
) -> tuple[dict[str, list[Laboratory]], dict[str, list[Laboratory]]]:
    """Each rule on each case of a family: rows of the near table, results of the far one."""
    lab = Modules(laboratory)
    chosen = cases(lab, family, count)
    bounds = dict(lab.bench._bound((case, lab.bench.W)) for case in chosen)
    near: dict[str, list[Laboratory]] = {}
    far: dict[str, list[Laboratory]] = {}
    for name, make in {"kithara": adapter.controller, **lab.bench.PEERS}.items():
        if name not in only:
            continue
        near[name] = lab.bench.run_one(make, name, chosen, bounds)
        for case in chosen if name in ("kithara", *PLAYERS) else ():
            session = replace(case.session, buffer_cap_s=FAR)
            heard = lab.sim.simulate(case.trace, session, make(), lab.bench.W, case.start_s)
            far.setdefault(name, []).append(heard)
    return near, far


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("laboratory", type=Path)
    parser.add_argument("--per", type=int, default=8, help="cases of each family")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--family", nargs="*", default=list(FAMILIES))
    parser.add_argument("--only", nargs="*", default=["kithara", *LEADS])
    asked = parser.parse_args()
    bench = Modules(asked.laboratory).bench
    near: dict[str, list[Laboratory]] = {}
    far: dict[str, list[Laboratory]] = {}
    with ProcessPoolExecutor(asked.jobs) as pool:
        work = partial(one, asked.laboratory, asked.per, asked.only)
        for parts in pool.map(work, asked.family):
            for table, part in zip((near, far), parts, strict=True):
                for name, rows in part.items():
                    table.setdefault(name, []).extend(rows)
    show_near([bench.summarise(rows) for rows in near.values()], asked.family)
    show_far(far)


def show_near(rules: list[Laboratory], families: list[str]) -> None:
    """Share of the optimum, and the bars."""
    head = "".join(f"{name:>11s}" for name in families)
    print(f"{'read-ahead 60 s':20s} {'mean':>6s} {'p5':>6s} {'stall s/h':>9s} {head}")
    for rule in sorted(rules, key=lambda rule: -rule.mean):
        parts = "".join(f"{rule.by_scenario[name]:11.3f}" for name in families)
        print(f"{rule.name:20s} {rule.mean:6.3f} {rule.p5:6.3f} {rule.stall_h:9.1f} {parts}")
    ours = next(rule for rule in rules if rule.name == "kithara")
    missed = [f"mean {ours.mean:.3f}"] if ours.mean < MEAN else []
    missed += [f"5th percentile {ours.p5:.3f}"] if ours.p5 < P5 else []
    for rule in rules:
        if rule.name in LEADS and ours.mean - rule.mean < LEADS[rule.name]:
            missed.append(
                f"{ours.mean - rule.mean:+.3f} before {rule.name}, {LEADS[rule.name]} due"
            )
    print("missed:", "; ".join(missed) or "none")


def show_far(far: dict[str, list[Laboratory]]) -> None:
    """Silence and quality with a longer read-ahead."""
    print(f"\n{'read-ahead 120 s':20s} {'stall s/h':>9s} {'utility':>8s}")
    figures: dict[str, tuple[float, float]] = {}
    for name, results in far.items():
        played = sum(result.played_s for result in results)
        silence = 3600.0 * sum(result.stall_s for result in results) / played
        figures[name] = silence, sum(result.utility for result in results) / played
    for name, (silence, utility) in sorted(figures.items(), key=lambda item: -item[1][1]):
        print(f"{name:20s} {silence:9.1f} {utility:8.3f}")
    silence, utility = figures["kithara"]
    missed = [f"{silence:.1f} s of silence in an hour"] if silence > SILENCE else []
    for name, (other, less) in figures.items():
        if name != "kithara" and not (silence < other and utility > less):
            missed.append(f"{name}: {silence - other:+.1f} s/h, utility {utility - less:+.3f}")
    print("missed:", "; ".join(missed) or "none")


if __name__ == "__main__":
    main()
