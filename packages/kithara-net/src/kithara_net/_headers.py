"""One immutable, case-insensitive view of header fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping


class HeaderMap(Mapping[str, str]):
    """Header fields by case-insensitive name; a repeated field is joined with `", "`.

    The representation shows names only: values may be credentials.
    """

    __slots__ = ("_pairs", "_values")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = tuple(fields)
        self._values = {name.lower(): value for name, value in self._pairs}
        if len(self._values) != len(self._pairs):
            self._values = {key: ", ".join(self._all(key)) for key in self._values}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        seen: set[str] = set()
        for name, _ in self._pairs:
            if (key := name.lower()) not in seen:
                seen.add(key)
                yield name

    def __len__(self) -> int:
        return len(self._values)

    def value_of(self, name: str) -> str | None:
        """The value of `name`, or None: `get`, only quicker."""
        return self._values.get(name.lower())

    def values_of(self, name: str) -> tuple[str, ...]:
        """Every value sent for `name`, in order; empty if there is none."""
        key = name.lower()
        value = self._values.get(key)
        if value is None:
            return ()
        if len(self._values) == len(self._pairs):
            return (value,)
        return self._all(key)

    def _all(self, key: str) -> tuple[str, ...]:
        return tuple(value for name, value in self._pairs if name.lower() == key)

    def __repr__(self) -> str:
        return f"HeaderMap({', '.join(self)})"
