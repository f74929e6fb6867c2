"""What a backend is: a name, the containers that it takes, and how it opens an input."""

from collections.abc import Callable
from dataclasses import dataclass

from ._input import Input
from ._protocols import Decoder


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One row of the table in _open.py.

    `open(input, container)` raises UnsupportedFormat when the next backend should be asked.
    """

    name: str
    containers: frozenset[str]
    open: Callable[[Input, str], Decoder]
