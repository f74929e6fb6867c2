"""What is fetched for a playlist: its segments and their init sections."""

from dataclasses import dataclass, field

from kithara_net import RangeSpec

from ._playlist import EncryptionKey, InitSection, MediaPlaylist, Segment
from ._urls import canonical

__all__ = ("PlannedPart", "init_part", "is_renewed", "segment_part")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPart:
    """One part to fetch; ``index`` is that of the segment, None for an init section."""

    index: int | None
    url: str = field(repr=False)
    byte_range: RangeSpec | None
    key: EncryptionKey | None


def segment_part(segment: Segment) -> PlannedPart:
    """The part that holds a segment."""
    return PlannedPart(
        index=segment.index, url=segment.url, byte_range=segment.byte_range, key=segment.key
    )


def init_part(init: InitSection) -> PlannedPart:
    """The part that holds an init section."""
    return PlannedPart(index=None, url=init.url, byte_range=init.byte_range, key=init.key)


def is_renewed(old: MediaPlaylist, new: MediaPlaylist) -> bool:
    """Answer whether a playlist loaded anew describes the same parts, with other tokens at most.

    Only queries may differ: that is where tokens are. Where the query is also what tells two
    parts apart, nobody knows which of it is the token.
    """
    told_apart = len({(segment.url, segment.byte_range) for segment in old.segments})
    if [_without_tokens(s) for s in new.segments] != [_without_tokens(s) for s in old.segments]:
        return False
    return told_apart == len({(canonical(s.url), s.byte_range) for s in old.segments})


def _without_tokens(segment: Segment) -> tuple[object, ...]:
    init = segment.init and (
        canonical(segment.init.url),
        segment.init.byte_range,
        _key_without_token(segment.init.key),
    )
    place = canonical(segment.url), segment.byte_range
    return segment.index, place, _key_without_token(segment.key), init, segment.discontinuity


def _key_without_token(key: EncryptionKey | None) -> tuple[object, ...] | None:
    return (canonical(key.url), key.iv) if key is not None else None
