"""What a terminal shows while bytes arrive and become sound."""

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
from rich.text import Text

from kithara_stream import TransferStats


def megabytes(size: int) -> str:
    """A size for people: "3.1 MB"."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def clock(seconds: float) -> str:
    """A time for people: "3:04" or "1:02:03"."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


class _SoundColumn(ProgressColumn):
    """How much sound there is so far, of how much."""

    def render(self, task: Task) -> Text:
        if "stats" not in task.fields:
            return Text("")
        done = clock(task.completed) if task.fields["timed"] else megabytes(int(task.completed))
        if task.total is None:
            return Text(done)
        total = clock(task.total) if task.fields["timed"] else megabytes(int(task.total))
        return Text(f"{done} / {total}")


class _OriginColumn(ProgressColumn):
    """Where the bytes came from."""

    def render(self, task: Task) -> Text:
        stats = task.fields.get("stats", TransferStats())
        parts = []
        if stats.bytes_received:
            parts.append(f"{megabytes(stats.bytes_received)} network")
        if stats.bytes_cached:
            parts.append(f"{megabytes(stats.bytes_cached)} cache")
        return Text(" · ".join(parts), style="dim")


class ProgressLine:
    """One line on a terminal; nothing at all where there is none. A context manager."""

    def __init__(self, console: Console, title: str, *, timed: bool) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            _SoundColumn(),
            _OriginColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID = self._progress.add_task(
            title, total=None, stats=TransferStats(), timed=timed
        )

    def show(self, done: float, total: float | None, stats: TransferStats) -> None:
        """Move the bar: seconds or bytes, whatever the line counts. Any thread may call."""
        self._progress.update(self._task, completed=done, total=total, stats=stats)

    def __enter__(self) -> "ProgressLine":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
