"""What a terminal shows while bytes arrive and become sound."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
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

from ._facts import Moment
from ._units import clock, megabytes

NARROW, WIDE = 60, 100  # columns: below, only what moves is shown; from there on, everything


class _SoundColumn(ProgressColumn):
    """How much there is so far, of how much."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        moment: Moment | None = task.fields["moment"]
        if moment is None:
            return Text("")
        amount = clock if task.fields["timed"] else megabytes
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
            parts.append(f"{megabytes(stats.bytes_received)} network, {megabytes(speed)}/s")
        if stats.bytes_cached:
            parts.append(f"{megabytes(stats.bytes_cached)} cache")
        if moment.buffered is not None:
            parts.append(f"{moment.buffered:.1f} s ready")
        if moment.variant is not None:
            parts.append(f"variant {moment.variant}")
        return Text(" · ".join(parts), style="dim")


class ProgressLine:
    """One line on a terminal that moves. A context manager."""

    def __init__(self, console: Console, title: str, *, timed: bool) -> None:
        columns: list[ProgressColumn] = [SpinnerColumn()]
        if console.width >= NARROW:
            name = Column(no_wrap=True, overflow="ellipsis", max_width=24)
            columns.append(TextColumn("{task.description}", table_column=name))
        columns += [BarColumn(20 if console.width >= WIDE else 10), _SoundColumn()]
        if console.width >= WIDE:
            columns.append(_OriginColumn(time.monotonic()))
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task: TaskID = self._progress.add_task(
            escape(title), total=None, moment=None, timed=timed
        )

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
