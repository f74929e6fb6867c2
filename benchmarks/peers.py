"""What every benchmark shares: runs in turn, medians, and ratios against the peers."""

import statistics
import time
from collections.abc import Callable


def measure(runs: dict[str, Callable[[int], float]], rounds: int) -> dict[str, float]:
    """Run each peer once a round, in turn, so that a busy minute hits all; median of each."""
    results: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        for name, run in runs.items():
            results[name].append(run(number))
    return {name: statistics.median(values) for name, values in results.items()}


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def report(title: str, unit: str, medians: dict[str, float]) -> None:
    """Print a table; the ratio is each peer's figure over ours."""
    ours = medians["kithara"]
    print(f"\n{title}")
    for name, value in medians.items():
        print(f"  {name:<22} {value:10.3f} {unit}   {value / ours:5.2f} × kithara")
