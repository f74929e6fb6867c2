"""What a terminal shows while bytes arrive and become sound."""

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

from kithara_stream import TransferStats

NARROW = 70  # columns, below which only what moves is shown


def megabytes(size: int) -> str:
    """A size for people: "3.1 MB"."""
    if size >= 999_950_000:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def clock(seconds: float) -> str:
    """A time for people: "3:04" or "1:02:03"."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How far something is: `done` of `total`, in seconds of sound or in bytes."""

    done: float
    total: float | None
    stats: TransferStats = field(default_factory=TransferStats)
    buffered: float | None = None
    variant: int | None = None

    def facts(self) -> dict[str, object]:
        """The same for scripts."""
        return {
            "done": self.done,
            "total": self.total,
            "requests": self.stats.requests,
            "received": self.stats.bytes_received,
            "cached": self.stats.bytes_cached,
            "buffered": self.buffered,
            "variant": self.variant,
        }


class _SoundColumn(ProgressColumn):
    """How much there is so far, of how much."""

    def render(self, task: Task) -> Text:
        moment: Moment | None = task.fields["moment"]
        if moment is None:
            return Text("")
        amount = clock if task.fields["timed"] else _bytes
        done = amount(moment.done)
        return Text(done if moment.total is None else f"{done} / {amount(moment.total)}")


class _OriginColumn(ProgressColumn):
    """Where the bytes came from, how fast, what is ready, and which variant it is."""

    def __init__(self, began: float) -> None:
        super().__init__(Column(no_wrap=True, overflow="ellipsis"))
        self._began = began

    def render(self, task: Task) -> Text:
        moment: Moment | None = task.fields["moment"]
        if moment is None:
            return Text("")
        stats, parts = moment.stats, []
        if stats.bytes_received:
            speed = stats.bytes_received / max(time.monotonic() - self._began, 1e-3)
            parts.append(f"{megabytes(stats.bytes_received)} network, {_bytes(speed)}/s")
        if stats.bytes_cached:
            parts.append(f"{megabytes(stats.bytes_cached)} cache")
        if moment.buffered is not None:
            parts.append(f"{moment.buffered:.1f} s ready")
        if moment.variant is not None:
            parts.append(f"variant {moment.variant}")
        return Text(" · ".join(parts), style="dim")


class ProgressLine:
    """One line on a terminal; nothing at all where there is none. A context manager."""

    def __init__(self, console: Console, title: str, *, timed: bool, hidden: bool = False) -> None:
        columns: list[ProgressColumn] = [SpinnerColumn()]
        if console.width >= NARROW:
            title_column = Column(no_wrap=True, overflow="ellipsis", max_width=30)
            columns += [
                TextColumn("{task.description}", table_column=title_column),
                BarColumn(20),
                _SoundColumn(),
                _OriginColumn(time.monotonic()),
            ]
        else:
            columns += [BarColumn(10), _SoundColumn()]
        self._progress = Progress(
            *columns, console=console, disable=hidden or not console.is_terminal
        )
        self._task: TaskID = self._progress.add_task(title, total=None, moment=None, timed=timed)

    def show(self, moment: Moment) -> None:
        """Move the bar. Any thread may call."""
        self._progress.update(self._task, completed=moment.done, total=moment.total, moment=moment)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()


def _bytes(size: float) -> str:
    return megabytes(int(size))
