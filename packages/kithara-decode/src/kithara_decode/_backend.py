"""What a backend is: a name, the containers that it takes, and how it opens an input."""

from collections.abc import Callable
from dataclasses import dataclass

from ._decoder import BaseDecoder
from ._input import Input
from ._options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One row of the table in _open.py.

    `open(input, container, options)` raises UnsupportedFormat to have the next backend asked.
    """

    name: str
    containers: frozenset[str]
    open: Callable[[Input, str, Options], BaseDecoder]
