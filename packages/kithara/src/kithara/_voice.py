"""What a command says: progress on a terminal, sentences, or a JSON object on each line."""

import json
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.markup import escape

from ._complaints import Output
from ._progress import Moment, ProgressLine

SPOKEN_EVERY = 0.5  # seconds between two JSON lines about progress


class Voice:
    """Says how a command gets on. A context manager, for the line that moves."""

    def __init__(
        self, title: str, *, timed: bool, as_json: bool, out: TextIO, errors: Console
    ) -> None:
        self._as_json = as_json
        self._out = Output(out)
        self._line = ProgressLine(errors, title, timed=timed, hidden=as_json)
        self._spoken = -SPOKEN_EVERY

    def say(self, event: str, facts: Mapping[str, object]) -> None:
        """Tell scripts what happened; people are not told."""
        if self._as_json:
            self._out.file.write(json.dumps({"event": event, **facts}) + "\n")
            self._out.file.flush()

    def moved(self, moment: Moment) -> None:
        """Tell how far it is. Any thread may call."""
        self._line.show(moment)
        if self._as_json and (now := time.monotonic()) - self._spoken >= SPOKEN_EVERY:
            self._spoken = now
            self.say("progress", moment.facts())

    def done(self, sentence: str, facts: Mapping[str, object]) -> None:
        """Say how it ended: a sentence for people, the facts for scripts."""
        if self._as_json:
            self.say("done", facts)
        else:
            self._out.print(escape(sentence), soft_wrap=True)

    def __enter__(self) -> Self:
        self._line.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._line.__exit__(kind, error, trace)
