"""A page about a session: from recorded facts to HTML, and nothing else."""

import html
import os
from dataclasses import dataclass, field
from pathlib import Path

from _kithara._unfinished import unfinished

from ._page import page
from ._record import SessionRecord


@dataclass(frozen=True, slots=True)
class Report:
    """A self-contained HTML page; `str()` gives its source, a notebook shows it."""

    html: str = field(repr=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page; raises OSError, and then leaves what was there before."""
        with unfinished(Path(path)) as part:
            part.write_text(self.html, encoding="utf-8")

    def __str__(self) -> str:
        return self.html

    def _repr_html_(self) -> str:
        source = html.escape(self.html)
        return f'<iframe srcdoc="{source}" style="width:100%;height:60em;border:0"></iframe>'


def draw(record: SessionRecord) -> Report:
    """The page about a record; the same record gives the same page."""
    return Report(page(record))
