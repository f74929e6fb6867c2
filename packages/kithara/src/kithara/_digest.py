"""What the facts of a session add up to: bars, steps, marks and figures, before any drawing."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from kithara_file import Changed, Complete, Connected, Failed
from kithara_hls import (
    FailedOver,
    KeyFetched,
    PlaylistLoaded,
    SegmentComplete,
    SegmentRetried,
    SegmentSkipped,
    SegmentStarted,
    SessionEnded,
    SessionFailed,
    TimeSought,
    VariantApplied,
    VariantSelected,
)
from kithara_net import FirstByte, Resumed, Retried

from ._record import FirstPcm, SessionRecord, Sought

Fate: TypeAlias = Literal[
    "network", "cache", "retried", "failed over", "lost", "dropped", "unfinished"
]

FATES: tuple[Fate, ...] = get_args(Fate)
MOST_TOLD = 400


@dataclass(slots=True, kw_only=True)
class Bar:
    """One segment or init section on its way, in seconds of the session."""

    index: int | None
    variant: int
    name: str
    begin: float
    end: float | None = None
    size: int = 0
    seconds: float = 0.0
    retries: int = 0
    fate: Fate = "unfinished"

    def give_up(self, at: float) -> None:
        """It is not wanted any more, if it is still on its way."""
        if self.fate == "unfinished":
            self.end, self.fate = at, "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A line of what happened; `bad` if it was something that went wrong."""

    at: float
    text: str
    bad: bool = False


@dataclass(slots=True, kw_only=True)
class Digest:
    """Everything that is drawn.

    `steps` are (at, bit/s) of the chosen variant, `estimates` the same of what the network was
    believed to give; `seams` are (place in seconds, name), `seeks` (at, target in seconds).
    """

    bars: list[Bar] = field(default_factory=list)
    variants: dict[int, int] = field(default_factory=dict)
    steps: list[tuple[float, float]] = field(default_factory=list)
    estimates: list[tuple[float, float]] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    trouble: list[float] = field(default_factory=list)
    seeks: list[tuple[float, float]] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    seams: list[tuple[float, str]] = field(default_factory=list)
    lost: list[tuple[float, float]] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    first_pcm: float | None = None
    switches: int = 0
    retries: int = 0
    failovers: int = 0
    ended: str = ""

    @property
    def first_byte(self) -> float | None:
        """The median wait for the head of an answer, in seconds."""
        return statistics.median(self.waits) if self.waits else None


def digest(record: SessionRecord) -> Digest:
    """Add up a record."""
    found = _Reading(record)
    for noted in record.events:
        found.take(noted.at, noted.event)
    found.finish()
    return found.into


class _Reading:
    """Goes through the events once, in order."""

    def __init__(self, record: SessionRecord) -> None:
        self.into = Digest()
        self._record = record
        self._open: dict[tuple[int | None, str], Bar] = {}
        self._selected: int | None = None  # the variant that was chosen last
        self._lengths: dict[int, float] = {}
        self._applied: list[tuple[int, str]] = []
        self._sought: float | None = None
        self._jumps: list[float] = []
        self._again: dict[tuple[int | None, str], int] = {}
        self._failing: dict[int | None, float] = {}

    def take(self, at: float, event: object) -> None:
        into = self.into
        match event:
            case FirstByte():
                into.requests.append(at)
                into.waits.append(event.seconds)
            case Retried():
                into.retries += 1
                into.trouble.append(at)
                self._tell(at, f"tried again in {event.delay:.1f} s: {event.error}", bad=True)
            case Resumed():
                self._tell(at, f"a broken body went on at byte {event.at:,}", bad=True)
            case SegmentStarted() | SegmentComplete() | SegmentRetried() | FailedOver():
                self._segment(at, event)
            case SegmentSkipped():
                if (place := (event.start, event.duration)) not in into.lost:
                    into.lost.append(place)
                begin = self._failing.pop(event.index, at)
                self._close(event.index, self._selected or 0, begin, at, "lost")
                self._tell(at, f"segment {event.index} was left out: {event.error}", bad=True)
            case TimeSought():
                self._jumps.append(at)
                self._failing.clear()
            case VariantSelected():
                self._select(at, event)
            case VariantApplied():
                self._applied.append((event.index, f"variant {event.variant.index}"))
                self._tell(at, f"variant {event.variant.index} from segment {event.index} on")
            case Sought():
                into.seeks.append((at, event.seconds))
                self._sought = at
                self._tell(at, f"seek from {event.position:.1f} s to {event.seconds:.1f} s")
            case FirstPcm():
                self._sound(at, event)
            case _:
                for line in _sentence(at, event):
                    self._tell(line.at, line.text, bad=line.bad)

    def finish(self) -> None:
        """Place the seams: where a segment begins is the sum of those before it."""
        for bar in self._open.values():
            later = [at for at in self._jumps if at >= bar.begin]
            if later:  # no event tells what a seek gives up, but from then on others are fetched
                bar.give_up(later[0])
        usual = statistics.median(self._lengths.values()) if self._lengths else 0.0
        for index, name in self._applied[1:]:
            place = sum(self._lengths.get(before, usual) for before in range(index))
            self.into.seams.append((place, name))
        skipped = list(self.into.lost)
        for start in self._record.losses:
            # The decoder counts the silence for a segment that was left out, too.
            if not any(begin - 0.5 <= start <= begin + length for begin, length in skipped):
                self.into.lost.append((start, 0.0))

    def _segment(
        self, at: float, event: SegmentStarted | SegmentComplete | SegmentRetried | FailedOver
    ) -> None:
        into = self.into
        match event:
            case SegmentStarted():
                bar = Bar(
                    index=event.index,
                    variant=event.variant,
                    name=_name(event.url),
                    begin=at,
                    retries=self._again.get((event.index, event.url), 0),
                )
                # No event tells what is given up for another variant, or asked for once more.
                for (index, url), older in self._open.items():
                    if index == event.index and (url == event.url or index is not None):
                        older.give_up(at)
                self._open[event.index, event.url] = bar
                into.bars.append(bar)
            case SegmentComplete():
                self._again.pop((event.index, event.url), None)
                open_bar = self._open.pop((event.index, event.url), None)
                if open_bar is None:
                    return
                open_bar.end, open_bar.size, open_bar.seconds = at, event.size, event.seconds
                origin: Fate = "cache" if event.cached else "network"
                open_bar.fate = "retried" if open_bar.retries else origin
                if event.index is not None:
                    self._lengths[event.index] = event.seconds
            case SegmentRetried():
                into.retries += 1
                into.trouble.append(at)
                key = event.index, event.url
                self._again[key] = self._again.get(key, 0) + 1
                self._failing.setdefault(event.index, at)
                if (open_bar := self._open.get(key)) is not None:
                    open_bar.retries += 1
                self._tell(at, f"{_name(event.url)} was asked for again: {event.error}", bad=True)
            case FailedOver():
                into.failovers += 1
                into.trouble.append(at)
                begun = [
                    bar
                    for (index, _), bar in self._open.items()
                    if index == event.index and bar.fate == "unfinished"
                ]
                for bar in begun:
                    bar.end, bar.fate = at, "failed over"
                if not begun:  # not a byte of it came
                    begin = self._failing.get(event.index, at)
                    self._close(event.index, event.variant, begin, at, "failed over")
                self._failing.pop(event.index, None)
                self._tell(
                    at,
                    f"variant {event.variant} is left for {event.excluded_for:.0f} s at segment "
                    f"{event.index}: {event.error}",
                    bad=True,
                )

    def _close(self, index: int, variant: int, begin: float, end: float, fate: Fate) -> None:
        """A segment of which nothing came."""
        self.into.bars.append(
            Bar(index=index, variant=variant, name="", begin=begin, end=end, fate=fate)
        )

    def _select(self, at: float, event: VariantSelected) -> None:
        into, variant = self.into, event.variant
        rate = float(variant.average_bandwidth or variant.bandwidth)
        if variant.index != self._selected:
            into.switches += self._selected is not None
            self._tell(
                at,
                f"variant {variant.index} ({rate / 1000:.0f} kbit/s) chosen for segment "
                f"{event.index}: {event.reason}",
            )
        self._selected = variant.index
        into.variants[variant.index] = int(rate)
        into.steps.append((at, rate))
        if event.decision is not None and event.decision.estimate is not None:
            into.estimates.append((at, event.decision.estimate.rate))

    def _sound(self, at: float, event: FirstPcm) -> None:
        if self.into.first_pcm is None:
            self.into.first_pcm = at
            self._tell(at, "the first sound")
        if self._sought is not None:
            self.into.answers.append(at - self._sought)
            self._tell(at, f"sound at {event.position:.1f} s, {at - self._sought:.2f} s later")
            self._sought = None

    def _tell(self, at: float, text: str, *, bad: bool = False) -> None:
        if len(self.into.told) < MOST_TOLD:
            self.into.told.append(Told(at=at, text=text, bad=bad))


def _sentence(at: float, event: object) -> Iterator[Told]:
    match event:
        case PlaylistLoaded():
            origin = "the cache" if event.cached else "the network"
            what = f"{event.segments} segments" if event.segments else "the variants"
            yield Told(at=at, text=f"{_name(event.url)} from {origin}: {what}")
        case KeyFetched():
            yield Told(at=at, text=f"a key from {'the cache' if event.cached else 'the network'}")
        case Connected():
            size = "of unknown size" if event.total is None else f"of {event.total:,} bytes"
            kept = f", {event.resumed:,} of them were here" if event.resumed else ""
            yield Told(at=at, text=f"a file {size}{kept}")
        case Changed():
            yield Told(at=at, text=f"another version on the server: {event.error}", bad=True)
        case Complete():
            yield Told(at=at, text=f"all {event.length:,} bytes are in the cache")
        case SessionEnded():
            yield Told(at=at, text="everything up to the end is in the cache")
        case Failed() | SessionFailed():
            yield Told(at=at, text=f"given up: {event.error}", bad=True)


def _name(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]
