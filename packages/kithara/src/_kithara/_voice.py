"""What a command says: progress on a terminal, sentences, or a JSON object on each line."""

import json
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from ._complaints import errors
from ._facts import Moment

if TYPE_CHECKING:
    from ._progress import ProgressLine

SPOKEN_EVERY = 0.5  # seconds between two JSON lines about progress


class Voice:
    """Says how a command gets on. A context manager, for the line that moves on a terminal."""

    def __init__(self, title: str, *, timed: bool, as_json: bool, out: TextIO) -> None:
        self._as_json = as_json
        self._out = out
        self._spoken = -SPOKEN_EVERY
        self._owned = ExitStack()
        self._line = None if as_json or not sys.stderr.isatty() else _line(title, timed=timed)

    def say(self, event: str, facts: Mapping[str, object]) -> None:
        """Tell scripts what happened; people are not told."""
        if self._as_json:
            self._out.write(json.dumps({"event": event, **facts}) + "\n")
            self._out.flush()

    def moved(self, moment: Moment) -> None:
        """Tell how far it is. Any thread may call."""
        if self._line is not None:
            self._line.show(moment)
        if self._as_json and (now := time.monotonic()) - self._spoken >= SPOKEN_EVERY:
            self._spoken = now
            self.say("progress", moment.facts())

    def done(self, sentence: str, facts: Mapping[str, object]) -> None:
        """Say how it ended: a sentence for people, the facts for scripts."""
        if self._as_json:
            self.say("done", facts)
        else:
            self._out.write(f"{sentence}\n")

    def __enter__(self) -> Self:
        if self._line is not None:
            self._owned.enter_context(self._line)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._owned.close()


def _line(title: str, *, timed: bool) -> "ProgressLine":
    from ._progress import ProgressLine

    return ProgressLine(errors(), title, timed=timed)
