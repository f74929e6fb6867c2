"""The order of delivery: init section, segment, segment, … and where a decoder starts anew."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from kithara_net import RangeSpec

from ._playlist import EncryptionKey, MediaPlaylist
from ._urls import canonical

__all__ = ("PlannedPart", "plan_parts", "renewed_plan")


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


def renewed_plan(
    plan: tuple[PlannedPart, ...], playlist: MediaPlaylist
) -> tuple[PlannedPart, ...] | None:
    """The same parts with the URLs of a playlist loaded anew; None if it describes others.

    Only queries may differ: that is where tokens are. Where the query is also what tells two
    parts apart, nobody knows which of it is the token.
    """
    renewed = tuple(plan_parts(playlist))
    told_apart = len({(part.url, part.byte_range) for part in plan})
    if list(map(_without_tokens, renewed)) != list(map(_without_tokens, plan)):
        return None
    return renewed if told_apart == len({(canonical(p.url), p.byte_range) for p in plan}) else None


def _without_tokens(part: PlannedPart) -> tuple[object, ...]:
    key = part.key and (canonical(part.key.url), part.key.iv)
    return part.index, canonical(part.url), part.byte_range, key, part.span, part.ends_span
