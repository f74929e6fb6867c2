"""The order of delivery: init section, segment, segment, … and where a decoder starts anew."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from kithara_net import RangeSpec

from ._playlist import EncryptionKey, MediaPlaylist

__all__ = ("PlannedPart", "plan_parts")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPart:
    """One part to deliver; ``index`` is that of the segment, None for an init section."""

    index: int | None
    url: str = field(repr=False)
    byte_range: RangeSpec | None
    key: EncryptionKey | None
    span: int
    ends_span: bool


def plan_parts(playlist: MediaPlaylist) -> Iterator[PlannedPart]:
    """Yield the parts of a playlist in order.

    A span begins at a discontinuity and where the init section changes; the init section is
    delivered again at the start of each span that has one.
    """
    span = 0
    segments = playlist.segments
    for at, segment in enumerate(segments):
        before = segments[at - 1] if at else None
        after = segments[at + 1] if at + 1 < len(segments) else None
        fresh = before is None or segment.discontinuity or segment.init != before.init
        if fresh and before is not None:
            span += 1
        if fresh and segment.init is not None:
            yield PlannedPart(
                index=None,
                url=segment.init.url,
                byte_range=segment.init.byte_range,
                key=segment.init.key,
                span=span,
                ends_span=False,
            )
        yield PlannedPart(
            index=segment.index,
            url=segment.url,
            byte_range=segment.byte_range,
            key=segment.key,
            span=span,
            ends_span=after is None or after.discontinuity or after.init != segment.init,
        )
