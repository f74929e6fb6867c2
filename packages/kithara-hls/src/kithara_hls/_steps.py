"""One segment on its way to its readers, with the init section that may stand before it."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from ._download import Download
from ._errors import HlsError, SegmentLost
from ._parts import Part
from ._track import Track

__all__ = ("Position", "Step")

_SLACK: Final = Fraction(1, 200)  # seconds by which boundaries that are meant to be the same differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The next segment to deliver: ``index`` of ``track``, be it taken from there or not.

    ``silence`` is how many seconds are left out directly before it.
    """

    track: Track
    index: int
    silence: Fraction = Fraction(0)

    @property
    def start(self) -> Fraction:
        """When it is heard, as far as that is known."""
        return self.track.times.start_of(self.index)

    def left_out(self) -> "Position":
        """The place behind this segment, which is lost."""
        silence = self.silence + self.track.times.duration_of(self.index)
        return Position(track=self.track, index=self.index + 1, silence=silence)

    def within(self, track: Track, *, overlap: bool = False) -> "Position":
        """The same place in another track: by number if both are cut alike, else by time.

        With ``overlap`` one segment before, unless it begins earlier anyway: what encoders put
        before the sound differs with the codec, and would be missing.
        """
        if track is self.track:
            return self
        index = self._index_within(track)
        late = track.times.start_of(index) > self.start - _SLACK
        if overlap and late and index > 0 and not self.silence:
            index -= 1
        # What of the silence another track begins within is not silent there.
        sounds = max(Fraction(0), self.start - track.times.start_of(index))
        return Position(track=track, index=index, silence=max(Fraction(0), self.silence - sounds))

    def behind(self, end: Fraction) -> "Position":
        """This place, or the first from it on whose segment ends after ``end``."""
        place = self
        while place.index < len(self.track.times):
            if self.track.times.start_of(place.index + 1) > end + _SLACK:
                break
            place = place.left_out()
        return place

    def _index_within(self, track: Track) -> int:
        times, here = track.times, self.track.times
        at_end = self.index >= len(here)
        if len(times) == len(here):
            if at_end:
                return self.index
            later = times.told_start(self.index) - here.told_start(self.index)
            if abs(later) <= here.duration_of(self.index) / 2:
                # What lies between would be missing; what comes twice is dropped by its time.
                back = later > _SLACK and self.index > 0
                return self.index - back
        if at_end and self.start >= times.start_of(len(times)):
            return len(times)
        return times.find(self.start + _SLACK)


@dataclass(eq=False, slots=True, kw_only=True)
class Step:
    """A segment that was decided on; ``failure`` is why it can not even be begun.

    ``downloads`` are what it needs, ``init_part`` and ``part`` where that was laid.
    """

    variant: int
    position: Position
    init: Download | None = None
    segment: Download | None = None
    init_part: Part | None = None
    part: Part | None = None
    failure: HlsError | None = None
    opens_span: bool = False
    timed: bool = False
    downloads: tuple[Download, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.downloads = tuple(d for d in (self.init, self.segment) if d is not None)

    @property
    def track(self) -> Track:
        """Where it is taken from."""
        return self.position.track

    @property
    def index(self) -> int:
        """Which segment of its track it is."""
        return self.position.index

    def parts(self) -> list[tuple[Download, Part | None]]:
        """What it needs, and where that was laid."""
        both = ((self.init, self.init_part), (self.segment, self.part))
        return [(download, part) for download, part in both if download is not None]

    @property
    def offset(self) -> int:
        """Where it begins for readers; only once it is laid."""
        first = self.init_part or self.part
        assert first is not None
        return first.start

    @property
    def error(self) -> Exception | None:
        """Why it cannot be had."""
        failed = (d.error for d in self.downloads)
        return self.failure or next((error for error in failed if error is not None), None)

    @property
    def complete(self) -> bool:
        """Whether all of it is in the cache."""
        return all(download.complete for download in self.downloads)

    def received_seconds(self) -> float:
        """Seconds of media received, by its share of the bytes."""
        segment = self.segment
        if segment is None or not segment.wire_size:
            return 0.0
        return segment.seconds * min(1.0, segment.received / segment.wire_size)

    def lost(self, cause: Exception | None) -> SegmentLost:
        """The error that says that it cannot be had anywhere, because of ``cause``."""
        if isinstance(cause, SegmentLost):
            return cause
        segment = self.track.playlist.segments[self.index]
        lost = SegmentLost(
            url=segment.url,
            index=self.index,
            start=float(self.position.start),
            duration=segment.duration,
            cause=cause,
        )
        lost.__cause__ = cause
        return lost
