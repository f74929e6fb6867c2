"""Our rules in the laboratory's table beside its peers, and one session drawn.

    python -m abr.table LABORATORY                       # the table
    python -m abr.table LABORATORY --picture session.png # one session of it
    python -m abr.table LABORATORY --read-ahead 120      # stalls at a longer one

Run it in benchmarks/. LABORATORY is the folder with bench.py, sim.py, scenarios.py and the
traces. The peers are its re-expressions of their rules; all run over the same cases, in this
process, one after another.
"""

import argparse
import importlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from abr import adapter
from abr.drawing import Session, Step, draw

OURS: dict[str, Callable[[], adapter.Adapter]] = {
    "kithara": adapter.controller,
    "kithara-throughput": adapter.throughput,
    "kithara-bola": adapter.bola,
    "kithara-fixed-lowest": adapter.fixed_lowest,
}

Laboratory: TypeAlias = Any  # its modules are found at run time and have no types to import


def table(bench: Laboratory, cases: list[Laboratory], only: list[str]) -> None:
    """Ratio to the offline optimum and what listeners notice, per rule."""
    rules = {**OURS, **bench.PEERS}
    bounds = bench.load_bounds()
    rows = [
        bench.summarise(bench.run_one(make, name, cases, bounds))
        for name, make in rules.items()
        if not only or name in only
    ]
    print(bench.table(rows))


def far(bench: Laboratory, cases: list[Laboratory], goal: float, only: list[str]) -> None:
    """Quality and silence with another read-ahead; there is no offline optimum for it."""
    print(
        f"{'read-ahead ' + format(goal, '.0f') + ' s':22s} {'QoE/s':>7s} {'kbit/s':>7s} stall s/h"
    )
    for name, make in {**OURS, **bench.PEERS}.items():
        if only and name not in only:
            continue
        played = stalled = value = bits = 0.0
        for case in cases:
            session = replace(case.session, buffer_cap_s=goal)
            result = bench.simulate(case.trace, session, make(), bench.W, case.start_s)
            played, stalled = played + result.played_s, stalled + result.stall_s
            value, bits = value + result.qoe, bits + result.bits_played
        print(
            f"{name:22s} {value / played:7.3f} {bits / played / 1e3:7.0f}"
            f" {stalled / played * 3600:9.1f}"
        )


class Recording(adapter.Adapter):
    """The default rule, writing down what it decides."""

    def __init__(self) -> None:
        super().__init__(adapter.controller().policy)
        self.steps: list[Step] = []

    def decide(self, state: adapter.LabState) -> int:
        """As the default rule."""
        chosen = super().decide(state)
        estimate = self.decision.estimate if self.decision is not None else None
        if estimate is not None:
            self.steps.append(
                Step(
                    time=state.now_s,
                    estimate=estimate.rate,
                    spread=estimate.spread,
                    bitrate=state.bitrates[chosen],
                    buffer=state.buffer_s,
                )
            )
        return chosen


def picture(bench: Laboratory, case: Laboratory, path: Path) -> None:
    """Throughput, estimate, choice and buffer of one case."""
    rule = Recording()
    result = bench.simulate(case.trace, case.session, rule, bench.W, case.start_s)
    end = rule.steps[-1].time
    grid = [float(second) for second in range(int(case.start_s), int(end) + 1)]
    rates = [case.trace.bits_until(s + 1.0) - case.trace.bits_until(s) for s in grid]
    title = (
        f"{case.key}: {result.bits_played / result.played_s / 1e3:.0f} kbit/s,"
        f" {result.stall_s:.1f} s of stalls, {result.switches} switches"
        f" in {result.played_s / 60:.0f} min"
    )
    draw(Session(title=title, seconds=grid, rates=rates, steps=rule.steps), path)
    print(f"{path}: {title}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("laboratory", type=Path)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--read-ahead", type=float)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--case", default="metro", help="a part of the case's key")
    asked = parser.parse_args()
    sys.dont_write_bytecode = True  # the laboratory's folder is not ours
    sys.path.insert(0, str(asked.laboratory))
    bench = importlib.import_module("bench")
    cases = list(importlib.import_module("scenarios").cases(asked.split))
    if asked.picture is not None:
        picture(bench, next(case for case in cases if asked.case in case.key), asked.picture)
    elif asked.read_ahead is not None:
        far(bench, cases, asked.read_ahead, asked.only)
    else:
        table(bench, cases, asked.only)


if __name__ == "__main__":
    main()
