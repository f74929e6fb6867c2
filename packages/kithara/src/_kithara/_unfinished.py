"""Files that get their name when they are whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def is_special(path: Path) -> bool:
    """Whether this is a device or a pipe, which is written to as it is and cannot be replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """The path to write to: it becomes `path` if all goes well, and is gone otherwise."""
    if is_special(path):
        yield path
        return
    path = path.resolve()  # a link stays one
    part = path.with_name(f"{path.name}.{os.getpid()}.part")  # nobody else's
    try:
        yield part
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
