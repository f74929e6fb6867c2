"""What happens in a session, for those who watch."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from kithara_assets import CacheDegraded
from kithara_net import ContentChanged
from kithara_stream import MediaInfo

Reading: TypeAlias = Literal["old", "new"]
"""Which version of a file that was replaced on the server a session reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The first answer came.

    Attributes:
        url: the final URL after redirects, without its query.
        total: size of the file in bytes; None if the server did not tell.
        seekable: whether the server gives ranges.
        resumed: how many bytes of this version an earlier run had left in the cache.
    """

    url: str
    total: int | None
    seekable: bool
    resumed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaKnown:
    """It is known what the file is.

    Attributes:
        media_info: what its first bytes and its headers say.
        length: its size in bytes; None while unknown.
    """

    media_info: MediaInfo
    length: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeekServed:
    """A reader got bytes that it went to and that were not here.

    Attributes:
        offset: where it went.
        seconds: how long it waited.
    """

    offset: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HoleFilled:
    """Bytes arrived that no reader had asked for.

    Attributes:
        start: the first of them.
        stop: the one after the last.
    """

    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Bytes arrived. The only event that a slow subscriber may lose.

    Attributes:
        received: bytes received in this session.
        total: size of the file in bytes; None while unknown.
        rate: bytes per second over the last two seconds.
    """

    received: int
    total: int | None
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """The whole file is here: in the cache, or after `CacheDegraded` some of it in memory.

    Attributes:
        length: its size in bytes.
        media_info: what it is.
    """

    length: int
    media_info: MediaInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The server has another version of the file than the one that is here.

    Attributes:
        error: what the two versions are.
        reading: which one this session reads. "old": what is here of it; readers get `error` for
            what is missing. "new": the old one is gone, and all is fetched anew.
    """

    error: ContentChanged
    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Fetching ended with an error; what is there can still be read.

    Attributes:
        error: the very object that readers and `wait_complete` raise.
    """

    error: Exception


FileEvent: TypeAlias = (
    Connected
    | MediaKnown
    | Progress
    | SeekServed
    | HoleFilled
    | CacheDegraded
    | Changed
    | Complete
    | Failed
)
