"""A session as a picture: what the path gave, what was believed, chosen and kept in store."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

__all__ = ("Session", "Step", "draw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One decision: seconds, bit/s, and the buffer in seconds."""

    time: float
    estimate: float
    spread: float
    bitrate: float
    buffer: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """All of it; ``rates`` is what the path gave from each of ``seconds`` on, in bit/s."""

    title: str
    seconds: list[float]
    rates: list[float]
    steps: list[Step]


def draw(session: Session, path: Path) -> None:
    """Write it to ``path``, as PNG or whatever its name ends in."""
    mpl.use("agg")
    figure = Figure(figsize=(12.0, 6.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    began = session.seconds[0]
    minutes = [(second - began) / 60.0 for second in session.seconds]
    times = [(step.time - began) / 60.0 for step in session.steps]
    above.plot(minutes, [max(r, 1e4) / 1e3 for r in session.rates], color="0.8", label="throughput")
    estimates = [step.estimate / 1e3 for step in session.steps]
    above.plot(times, estimates, color="tab:orange", label="estimate")
    above.fill_between(
        times,
        [e * 2.718**-s.spread for e, s in zip(estimates, session.steps, strict=True)],
        [e * 2.718**s.spread for e, s in zip(estimates, session.steps, strict=True)],
        color="tab:orange",
        alpha=0.2,
    )
    chosen = [step.bitrate / 1e3 for step in session.steps]
    above.step(times, chosen, where="post", color="tab:blue", lw=2, label="variant")
    above.set(yscale="log", ylabel="kbit/s", title=session.title)
    above.legend(loc="lower right", ncols=3)
    below.fill_between(times, [step.buffer for step in session.steps], color="tab:green", alpha=0.4)
    below.set(xlabel="minutes", ylabel="buffer, s")
    figure.savefig(path, dpi=110)
