"""Hand-drawn SVG: a frame with axes, and what goes into it."""

import math
from collections.abc import Iterable, Sequence
from html import escape

WIDTH, LEFT, RIGHT = 960, 64, 8
PLOT = WIDTH - LEFT - RIGHT
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)


def clock(seconds: float) -> str:
    """A time on an axis: "0.5", "12", "3:04" or "1:02:03"."""
    if seconds < 60:
        return f"{seconds:g}"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


class Axis:
    """Seconds from left to right."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(seconds, 1e-3)

    def x(self, at: float) -> float:
        """Where a time is, within the plot."""
        return LEFT + PLOT * min(max(at / self.seconds, 0.0), 1.0)

    def ticks(self) -> list[float]:
        """At most a dozen round times."""
        step = next((s for s in _STEPS if self.seconds / s <= 12), 14_400.0)
        return [round(n * step, 3) for n in range(int(self.seconds / step) + 1)]


class Panel:
    """A part of a figure: values from the bottom up, between two heights."""

    def __init__(self, axis: Axis, top: float, height: float, highest: float) -> None:
        self.axis, self.top, self.height = axis, top, height
        self.highest = nice(highest)

    @property
    def bottom(self) -> float:
        """The height of its base line."""
        return self.top + self.height

    def y(self, value: float) -> float:
        """Where a value is."""
        return self.bottom - self.height * min(max(value / self.highest, 0.0), 1.0)

    def frame(self, title: str, unit: str, scale: float = 1.0) -> str:
        """Lines at three heights, their values, and what the panel is."""
        parts = []
        for share in (0.0, 0.5, 1.0):
            y = self.bottom - self.height * share
            value = self.highest * share / scale
            label = f"{value:g}" if value < 10_000 else f"{value:,.0f}"
            parts.append(line(LEFT, y, WIDTH - RIGHT, y, "grid"))
            parts.append(text(LEFT - 6, y + 4, label, "tick end"))
        parts.append(text(LEFT, self.top - 6, f"{title} ({unit})", "head"))
        return "".join(parts)

    def steps(self, points: Sequence[tuple[float, float]], kind: str, *, fill: bool = False) -> str:
        """Values that hold until the next one, as a line to the end of the axis."""
        if not points:
            return ""
        rest = f"V{self.bottom:.1f}H{self.axis.x(points[0][0]):.1f}Z" if fill else ""
        path = f"M{self.axis.x(points[0][0]):.1f} {self.y(points[0][1]):.1f}"
        for at, value in points[1:]:
            path += f"H{self.axis.x(at):.1f}V{self.y(value):.1f}"
        return f'<path class="{kind}" d="{path}H{WIDTH - RIGHT}{rest}"/>'

    def bins(self, width: float, values: Sequence[float], kind: str) -> str:
        """Values of equal stretches of time, filled; nothing behind the last one."""
        path, last = f"M{LEFT} {self.bottom:.1f}", 0.0
        for place, value in enumerate((*values, 0.0)):
            if value != last:
                path += f"H{self.axis.x(place * width):.1f}V{self.y(value):.1f}"
                last = value
        return f'<path class="{kind}" d="{path}Z"/>'

    def marks(self, times: Iterable[float], kind: str) -> str:
        """Short strokes below the base line."""
        path = "".join(f"M{self.axis.x(at):.1f} {self.bottom:.1f}v5" for at in times)
        return f'<path class="{kind}" d="{path}"/>'


def nice(value: float) -> float:
    """The next round number: 1, 2, 5 or 10 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value * 0.999)


def figure(height: float, label: str, parts: Iterable[str]) -> str:
    """A figure that is as wide as the page, and scrolls where that is narrow."""
    return (
        f'<div class="figure" tabindex="0" role="group" aria-label="{escape(label)}">'
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg></div>"
    )


def time_axis(axis: Axis, top: float, bottom: float, label: str) -> str:
    """Lines and times below everything."""
    parts = []
    for at in axis.ticks():
        x = axis.x(at)
        parts.append(line(x, top, x, bottom, "grid"))
        if x < WIDTH - 190 or at == 0:
            parts.append(text(x, bottom + 16, clock(at), "tick middle"))
    parts.append(text(WIDTH - RIGHT, bottom + 16, label, "tick end"))
    return "".join(parts)


def line(x1: float, y1: float, x2: float, y2: float, kind: str, title: str = "") -> str:
    """A line; `title` is what a pointer that rests on it is told."""
    body = f"<title>{escape(title)}</title>" if title else ""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="{kind}" {ends}>{body}</line>'


def text(x: float, y: float, content: str, kind: str) -> str:
    """A word in the figure."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(content)}</text>'
