"""EXT-X-DEFINE: variables of a playlist, and their substitution (rfc8216bis, 4.2 and 4.4.2.3)."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from ._tags import TagInvalid, attributes

__all__ = ("NO_VARIABLES", "Variables")

NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})
_REFERENCE: Final = re.compile(r"\{\$([A-Za-z0-9_-]*)\}")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")


class Variables:
    """The variables defined so far in one playlist.

    ``imported`` are those of the multivariant playlist that led to it, None if none did; ``url``
    is where it came from, for QUERYPARAM.
    """

    def __init__(self, url: str, imported: Mapping[str, str] | None) -> None:
        self._query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        self._imported = imported
        self.values: dict[str, str] = {}

    def define(self, value: str) -> None:
        """Apply one EXT-X-DEFINE. Raises TagInvalid."""
        written = attributes(value)
        kinds = [kind for kind in ("NAME", "IMPORT", "QUERYPARAM") if kind in written]
        if len(kinds) != 1:
            raise TagInvalid("EXT-X-DEFINE needs one of NAME, IMPORT and QUERYPARAM")
        name = written[kinds[0]]
        if not _NAME.fullmatch(name):
            raise TagInvalid(f"{name!r} is no name of a variable")
        if name in self.values:
            raise TagInvalid(f"the variable {name!r} is defined twice")
        self.values[name] = self._value(kinds[0], name, written)

    def _value(self, kind: str, name: str, written: Mapping[str, str]) -> str:
        if kind == "NAME":
            if "VALUE" not in written:
                raise TagInvalid(f"the variable {name!r} has no VALUE")
            return written["VALUE"]
        if kind == "QUERYPARAM":
            if not self._query.get(name):
                raise TagInvalid(f"the URL of the playlist has no query parameter {name!r}")
            return self._query[name]
        if self._imported is None or name not in self._imported:
            raise TagInvalid(f"the multivariant playlist defines no variable {name!r}")
        return self._imported[name]

    def substitute(self, line: str) -> str:
        """Put values in the place of references, once. Raises TagInvalid for an unknown one."""
        if "{$" not in line:
            return line

        def value(reference: re.Match[str]) -> str:
            if reference[1] not in self.values:
                raise TagInvalid(f"the variable {reference[1]!r} is not defined")
            return self.values[reference[1]]

        return _REFERENCE.sub(value, line)
