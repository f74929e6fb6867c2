"""One immutable, case-insensitive view of header fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping


class HeaderMap(Mapping[str, str]):
    """Header fields by case-insensitive name; a repeated field is joined with `", "`.

    The representation shows names only: values may be credentials.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields: dict[str, tuple[str, list[str]]] = {}
        for name, value in fields:
            key = name.lower()
            if key in self._fields:
                self._fields[key][1].append(value)
            else:
                self._fields[key] = (name, [value])

    def __getitem__(self, name: str) -> str:
        values = self._fields[name.lower()][1]
        return values[0] if len(values) == 1 else ", ".join(values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._fields.values())

    def __len__(self) -> int:
        return len(self._fields)

    def values_of(self, name: str) -> tuple[str, ...]:
        """Every value sent for `name`, in order; empty if there is none."""
        found = self._fields.get(name.lower())
        return tuple(found[1]) if found is not None else ()

    def __repr__(self) -> str:
        return f"HeaderMap({', '.join(self)})"
