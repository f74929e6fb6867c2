"""How a file is to be fetched."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

Revalidate: TypeAlias = Literal["never", "if-stale", "always"]
"""When to ask the server whether a complete file is still the one that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """Settings of one `FileSource`; the defaults need no change.

    Attributes:
        look_ahead: how many bytes beyond each reader are fetched before it asks.
        whole: fetch all of the file in the background, whether a reader needs it or not.
        offline: send no request; a file that is not in the cache raises OfflineMiss.
        revalidate: when to ask the server, on opening, whether a complete file is still the one
            that it has: "if-stale" by what it said about that (RFC 9111), a day if it said nothing.
        headers: headers to send with each request; never logged.
        discriminator: tells assets apart on sites whose URLs differ by their query only.
    """

    look_ahead: int = 8 * 1024 * 1024
    whole: bool = False
    offline: bool = False
    revalidate: Revalidate = "if-stale"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    discriminator: str | None = None

    def __post_init__(self) -> None:
        if self.revalidate not in get_args(Revalidate):
            raise ValueError(f"revalidate is one of {get_args(Revalidate)}, not {self.revalidate}")
        if self.look_ahead < 1:
            raise ValueError(f"look_ahead must be at least 1 byte, not {self.look_ahead}")
