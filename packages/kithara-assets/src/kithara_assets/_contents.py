"""What a user may want to know of the assets that are there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ._models import Completeness
from ._pins import lies_in

_PART = re.compile(r"(\.[0-9a-f]{16})?\.part")
_RECORDS = (".map", ".meta")


def files_below(folder: str) -> Iterator[str]:
    """The relative paths of all files of an asset, the records of storage too; links not."""
    folders = [""]
    while folders:
        at = folders.pop()
        try:
            with os.scandir(os.path.join(folder, at)) as entries:
                for entry in entries:
                    name = f"{at}/{entry.name}" if at else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(name)
                    elif entry.is_file(follow_symlinks=False):
                        yield name
        except OSError:
            continue  # it went away meanwhile


def completeness(folder: Path, needs: Sequence[str]) -> Completeness:
    """Compare what is there with what is needed, and with what was begun."""
    place = os.fspath(folder)
    names = set(files_below(place))
    finals = {name for name in names if not name.endswith((".part", *_RECORDS))}
    begun = {_PART.sub("", name) for name in names if name.endswith(".part")}
    missing = {name for name in needs if not lies_in(place, name)} | (begun - finals)
    return Completeness(complete=bool(finals) and not missing, missing=tuple(sorted(missing)))
