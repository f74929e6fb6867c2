"""The real session over the laboratory's traces, in virtual time, beside the rule alone.

    python -m abr.whole LABORATORY [--per 2] [--scenario metro] [--read-ahead 60]

Run it in benchmarks/. Everything is real but time, the disk (memory) and HTTP: playlists, the
pipeline, its requests and what it abandons. A row has the share of the offline optimum, by
scenario, of the session, of its rule in the laboratory, and of the laboratory's peers. A track
that the listener leaves ends the session; the next one has the same rule.
"""

import argparse
import asyncio
import importlib
import logging
import math
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from abr import adapter
from abr.virtual import HEADER, Site, TraceNet, VirtualStore, run
from kithara_hls import (
    AbrController,
    AbrSettings,
    HlsOptions,
    HlsSession,
    HlsSource,
    SegmentComplete,
)

Laboratory: TypeAlias = Any  # its modules are found at run time and have no types to import
TICK = 0.25  # seconds between two looks of the player at its clock


class Listener:
    """Plays one leg: hears a segment once it is whole, starts and restarts with one."""

    def __init__(self, session: HlsSession, leg: Laboratory, result: Laboratory) -> None:
        self._source = session.source()
        self._events = session.events()
        self._leg = leg
        self._result = result
        self._complete: set[int] = set()
        self._more = asyncio.Event()
        self._offset = 0
        self.heard: list[tuple[int, float]] = []  # variant and seconds

    async def listen(self) -> None:
        """To the end of the leg, or to where the listener leaves."""
        watching = asyncio.create_task(self._watch())
        loop, result, left = asyncio.get_running_loop(), self._result, self._leg.played_s
        for index, seconds in enumerate(self._leg.durations):
            began = loop.time()
            while index not in self._complete:
                self._more.clear()
                await self._more.wait()
            waited = loop.time() - began
            if index == 0:
                result.startups += 1
            elif waited > 0.0:
                result.stall_s, result.stalls = result.stall_s + waited, result.stalls + 1
            await self._hear(index, min(seconds, left), seconds)
            left -= seconds
            if left <= 0.0:
                break
        watching.cancel()
        result.played_s += self._leg.played_s
        self._source.close()

    async def _hear(self, index: int, seconds: float, whole: float) -> None:
        loop = asyncio.get_running_loop()
        variant, number, size = HEADER.unpack(self._read(HEADER.size))
        assert number == index, f"segment {number} where {index} was to come"
        begun, at = loop.time(), HEADER.size
        for tick in range(1, math.ceil(seconds / TICK) + 1):
            await asyncio.sleep(begun + min(seconds, tick * TICK) - loop.time())
            upto = int(size * min(1.0, (loop.time() - begun) / whole))
            self._read(max(0, upto - at))
            at = max(at, upto)
        if seconds == whole:
            self._read(size - at)
        self.heard.append((variant, seconds))

    async def _watch(self) -> None:
        async for event in self._events:
            if isinstance(event, SegmentComplete) and event.index is not None:
                self._complete.add(event.index)
                self._more.set()

    def _read(self, count: int) -> bytes:
        buffer = bytearray(count)
        done = 0
        while done < count:
            with memoryview(buffer) as view, view[done:] as rest:
                got = self._source.read_into(self._offset, rest)
            assert got, "a segment that is complete can be read"
            done, self._offset = done + got, self._offset + got
        return bytes(buffer)


async def play(lab: Laboratory, case: Laboratory, goal: float) -> Laboratory:
    """One case of the laboratory with real sessions; answers its kind of result."""
    content, result = case.session, lab.sim.Result()
    settings = AbrSettings(buffer_goal=goal)
    rule = AbrController(settings)
    loop, last = asyncio.get_running_loop(), None
    for number, leg in enumerate(content.legs):
        site = Site(content.bitrates, leg.durations, content.sizes[number])
        net = TraceNet(case.trace, site, start=case.start_s, rtt=content.rtts[0][0])
        options = HlsOptions(variant="auto", abr=settings, abr_policy=rule)
        store, began = VirtualStore(), loop.time()
        session = await HlsSource(Site.URL, store=store, net=net, options=options).open()
        listener = Listener(session, leg, result)
        await listener.listen()
        result.startup_s += loop.time() - began - leg.played_s
        await session.aclose()
        store.close()
        result.bytes_total += net.bytes
        for variant, seconds in listener.heard:
            bitrate = content.bitrates[variant]
            result.utility += seconds * lab.bench.W.utility(bitrate)
            result.bits_played += seconds * bitrate
            if last is not None and variant != last:
                step = lab.bench.W.utility(bitrate) - lab.bench.W.utility(content.bitrates[last])
                result.switches, result.switch_steps = (
                    result.switches + 1,
                    result.switch_steps + abs(step),
                )
            last = variant
        rule.on_flush()
    return result


class Modules:
    """The laboratory's, by name."""

    def __init__(self, folder: Path) -> None:
        sys.dont_write_bytecode = True  # the laboratory's folder is not ours
        sys.path.insert(0, str(folder))
        self.bench: Laboratory = importlib.import_module("bench")
        self.sim: Laboratory = importlib.import_module("sim")
        self.scenarios: Laboratory = importlib.import_module("scenarios")


def one(asked: argparse.Namespace, key: str) -> tuple[Laboratory, Laboratory]:
    """One case, by the session and by the rule alone."""
    lab = Modules(asked.laboratory)
    logging.disable()
    case = next(c for c in lab.scenarios.cases(asked.split) if c.key == key)
    case = replace(case, session=replace(case.session, buffer_cap_s=asked.read_ahead))
    result = run(play(lab, case, asked.read_ahead))
    before = result.stall_s
    result.startup_s -= before  # it was counted as what is not playing
    rule = adapter.controller()
    alone = lab.bench.simulate(case.trace, case.session, rule, lab.bench.W, case.start_s)
    return result.finish(lab.bench.W), alone


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("laboratory", type=Path)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--per", type=int, default=2, help="cases of each scenario")
    parser.add_argument("--scenario", default="")
    parser.add_argument("--read-ahead", type=float, default=60.0)
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    lab = Modules(asked.laboratory)
    found: dict[str, list[Laboratory]] = {}
    for case in lab.scenarios.cases(asked.split):
        if asked.scenario in case.scenario:
            found.setdefault(case.scenario, []).append(case)
    cases = [case for group in found.values() for case in group[: asked.per]]
    bounds = lab.bench.load_bounds()
    rows: dict[str, list[Laboratory]] = {"session": [], "rule alone": []}
    head = f"{'':46s} {'QoE/s':>7s} {'kbit/s':>7s} {'stall':>6s} {'start':>6s} {'switch':>6s}"
    print(head + "  | the rule alone")
    with ProcessPoolExecutor(asked.jobs) as pool:
        results = pool.map(partial(one, asked), [case.key for case in cases])
        for case, pair in zip(cases, results, strict=True):
            print(f"{case.key[:46]:46s} " + "  | ".join(map(_facts, pair)), flush=True)
            bound = bounds[lab.bench.digest(case)]
            for name, result in zip(rows, pair, strict=True):
                ratio = max(-1.0, result.qoe / max(bound["qoe"], result.qoe))
                rows[name].append(
                    lab.bench.Row(name, case.key, case.scenario, ratio, result, bound)
                )
    summaries = [lab.bench.summarise(group) for group in rows.values()]
    if asked.read_ahead == 60.0:
        for name, make in lab.bench.PEERS.items():
            summaries.append(lab.bench.summarise(lab.bench.run_one(make, name, cases, bounds)))
    print(lab.bench.table(summaries))


def _facts(result: Laboratory) -> str:
    return (
        f"{result.qoe / result.played_s:7.3f} {result.bits_played / result.played_s / 1e3:7.0f}"
        f" {result.stall_s:6.1f} {result.startup_s:6.1f} {result.switches:6d}"
    )


if __name__ == "__main__":
    main()
