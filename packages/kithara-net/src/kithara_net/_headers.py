"""Header fields: as aiohttp has them, and as callers see them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol


class Fields(Protocol):
    """Header fields by case-insensitive name, as aiohttp's multidict and `HeaderMap` have them."""

    def __contains__(self, name: object, /) -> bool: ...

    def getall(self, key: str, default: tuple[str, ...], /) -> Sequence[str]:
        """Every value sent for `key`, in order; `default` if there is none."""
        ...

    def items(self) -> Iterable[tuple[str, str]]:
        """Every name with its value."""
        ...


class HeaderMap(Mapping[str, str]):
    """Header fields by case-insensitive name; a repeated field is joined with `", "`.

    `fields` are read when they are first asked for, and may be iterated more than once. The
    representation shows names only: values may be credentials.
    """

    __slots__ = ("_fields", "_sorted")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = fields
        self._sorted: dict[str, tuple[str, list[str]]] | None = None

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._known()[name.lower()][1])

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._known()

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._known().values())

    def __len__(self) -> int:
        return len(self._known())

    def getall(self, key: str, default: tuple[str, ...] = (), /) -> Sequence[str]:
        """Every value sent for `key`, in order; `default` if there is none."""
        found = self._known().get(key.lower())
        return default if found is None else found[1]

    def _known(self) -> dict[str, tuple[str, list[str]]]:
        """By its name in lower case: the name as it was sent first, and all values."""
        if self._sorted is None:
            known: dict[str, tuple[str, list[str]]] = {}
            for name, value in self._fields:
                known.setdefault(name.lower(), (name, []))[1].append(value)
            self._sorted = known
        return self._sorted

    def __repr__(self) -> str:
        return f"HeaderMap({', '.join(self)})"
