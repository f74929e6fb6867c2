"""A page about a session."""

import html
import os
from dataclasses import dataclass, field
from pathlib import Path

from ._record import SessionRecord


@dataclass(frozen=True, slots=True)
class Report:
    """A self-contained HTML page; `str()` gives its source, a notebook shows it."""

    html: str = field(repr=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page; raises OSError."""
        Path(path).write_text(self.html, encoding="utf-8")

    def __str__(self) -> str:
        return self.html

    def _repr_html_(self) -> str:
        page = html.escape(self.html)
        return f'<iframe srcdoc="{page}" style="width:100%;height:60em;border:0"></iframe>'


def draw(record: SessionRecord) -> Report:
    return Report("")
