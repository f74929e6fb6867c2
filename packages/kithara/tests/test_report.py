"""The page says what the record says, and needs nothing but itself."""

import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import kithara
from kithara import PcmSpec, Report
from kithara._digest import digest
from kithara._record import FirstPcm, Noted, RecordedEvent, SessionRecord, Sought
from kithara._report import draw
from kithara._series import Bins, Peak, Samples
from kithara_file import Failed, FileSession
from kithara_hls import (
    AbrDecision,
    Estimate,
    FailedOver,
    PlaylistLoaded,
    SegmentComplete,
    SegmentRetried,
    SegmentSkipped,
    SegmentStarted,
    TimeSought,
    Variant,
    VariantApplied,
    VariantSelected,
)
from kithara_net import FirstByte
from kithara_net.testing import ThreadedServer

VOID = {"meta", "br", "link", "input"}
LOST = RuntimeError("the server answered <500> & more")


class Page(HTMLParser):
    """The facts, the bars, the rows and the marks of a page; checks that every tag is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.facts: dict[str, str] = {}
        self.bars: list[tuple[dict[str, str | None], str]] = []
        self.rows: list[str] = []
        self.classes: list[str] = []
        self.addresses: list[str] = []
        self._stack: list[str] = []
        self._text = ""
        self._attributes: dict[str, str | None] = {}
        self._label = ""
        self.feed(page)
        self.close()
        assert self._stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        self.classes += (facts.get("class") or "").split()
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "action", "srcset")]
        if tag not in VOID:
            self._stack.append(tag)
        if tag in ("dt", "dd", "title", "tr"):
            self._text = ""
        if tag == "rect":
            self._attributes = facts

    def handle_endtag(self, tag: str) -> None:
        assert self._stack.pop() == tag
        if tag == "dt":
            self._label = self._text
        elif tag == "dd":
            self.facts[self._label] = self._text
        elif tag == "title" and self._stack[-1] == "rect":
            self.bars.append((self._attributes, self._text))
        elif tag == "tr":
            self.rows.append(self._text)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_data(self, data: str) -> None:
        self._text += data


def variant(index: int, bandwidth: int) -> Variant:
    return Variant(
        index=index,
        bandwidth=bandwidth,
        average_bandwidth=None,
        codecs=("mp4a.40.2",),
        resolution=None,
        audio_group=None,
        url=f"https://example.org/{index}.m3u8",
    )


LOW, HIGH = variant(0, 64_000), variant(1, 256_000)


def selected(chosen: Variant, index: int, reason: str, rate: float) -> VariantSelected:
    estimate = Estimate(rate=rate, spread=0.2, ttfb=0.05, samples=3)
    decision = AbrDecision(variant=chosen.index, reason=reason, estimate=estimate)
    return VariantSelected(
        variant=chosen, rendition=None, reason=reason, index=index, decision=decision
    )


def begun(index: int, variant: int = 0, cached: bool = False) -> SegmentStarted:
    url = f"https://example.org/{variant}/{index}.m4s"
    return SegmentStarted(index=index, variant=variant, url=url, cached=cached)


def segment(
    index: int, begin: float, end: float, cached: bool = False, variant: int = 0
) -> list[Noted]:
    started = begun(index, variant, cached)
    complete = SegmentComplete(
        index=index, variant=variant, url=started.url, size=48_000, seconds=6.0, cached=cached
    )
    return [noted(begin, started), noted(end, complete)]


def retried(index: int, variant: int = 0) -> SegmentRetried:
    url = f"https://example.org/{variant}/{index}.m4s"
    return SegmentRetried(index=index, variant=variant, url=url, error=LOST)


def noted(at: float, event: RecordedEvent) -> Noted:
    return Noted(at=at, event=event)


def record_of(*events: Noted, seconds: float = 20.0) -> SessionRecord:
    return SessionRecord(
        url="https://example.org/<album>/master.m3u8",
        kind="hls",
        container="hls",
        spec=PcmSpec(sample_rate=44_100, channels=2, layout="stereo"),
        duration=60.0,
        began=1_700_000_000.0,
        seconds=seconds,
        events=tuple(sorted(events, key=lambda noted: noted.at)),
        received=Bins(width=0.5, sums=(10_000, 0, 30_000)),
        buffered=Samples(points=((1.0, 4.0), (2.0, 12.0))),
        waveform=(Peak(start=0.0, seconds=0.05, low=-0.5, high=0.25),),
        requests=7,
        bytes_received=3_100_000,
        bytes_cached=48_000,
        underruns=2,
        losses=(),
    )


SESSION = record_of(
    noted(0.1, FirstByte(url="https://example.org/master.m3u8", status=200, seconds=0.08)),
    noted(0.1, PlaylistLoaded(kind="multivariant", url="u/master.m3u8", segments=0, cached=False)),
    noted(0.2, selected(LOW, 0, "start", 90_000.0)),
    *segment(0, 0.3, 1.0),
    noted(0.4, VariantApplied(variant=LOW, index=0)),
    noted(0.5, FirstPcm(position=0.0)),
    *segment(1, 1.0, 1.1, cached=True),
    noted(1.2, retried(2)),
    *segment(2, 1.5, 2.5),
    noted(2.6, selected(HIGH, 3, "up", 500_000.0)),
    noted(2.7, VariantApplied(variant=HIGH, index=3)),
    noted(3.0, retried(3, variant=1)),
    noted(4.0, FailedOver(variant=1, index=3, error=LOST, excluded_for=60.0)),
    noted(4.1, selected(LOW, 3, "failover", 400_000.0)),
    noted(5.0, SegmentSkipped(index=3, start=18.0, duration=6.0, error=LOST)),
    noted(6.0, begun(4)),
    noted(7.0, Sought(seconds=42.0, position=12.0)),
    noted(7.0, TimeSought(seconds=42.0, landed=42.0, index=7)),
    *segment(7, 7.1, 7.2),
    noted(7.5, FirstPcm(position=42.0)),
    noted(8.0, begun(8)),
)


def test_the_figures_are_those_of_the_events() -> None:
    page = Page(str(draw(SESSION)))
    assert page.facts == {
        "source": "HLS",
        "sound": "44,100 Hz, stereo",
        "length": "1:00",
        "first sound after": "0.50 s",
        "answers after": "80 ms",
        "session": "20.0 s",
        "from the network": "3.1 MB",
        "from the cache": "48.0 kB",
        "requests": "7",
        "tried again": "2",
        "variant switches": "2",
        "failovers": "1",
        "waits for sound": "2",
        "places lost": "1",
        "seeks": "1",
        "sound after a seek": "0.50 s",
    }


def test_each_segment_is_a_bar_of_its_own_time_and_fate() -> None:
    page = Page(str(draw(SESSION)))
    told = {text.partition(",")[0]: (facts, text) for facts, text in page.bars}
    fates = {
        "segment 0": "network",
        "segment 1": "cache",
        "segment 2": "retried",
        "segment 4": "dropped",
        "segment 7": "network",
        "segment 8": "unfinished",
    }
    for name, fate in fates.items():
        facts, text = told[name]
        assert (facts["class"] or "").split()[1] == fate, text
    of_three = [
        (facts["class"] or "").split()[1] for facts, text in page.bars if "segment 3" in text
    ]
    assert of_three == ["failed-over", "lost"]
    facts, text = told["segment 2"]
    assert text == (
        "segment 2, variant 0, retried: 1.50 s to 2.50 s, 48,000 bytes, 6 s of sound, "
        "asked for 2 times 2.m4s"
    )
    scale = (960 - 64 - 8) / 20
    assert float(facts["x"] or 0) == pytest.approx(64 + 1.5 * scale, abs=0.1)
    assert float(facts["width"] or 0) == pytest.approx(1.0 * scale, abs=0.1)
    assert "7.00 s" in told["segment 4"][1]
    assert "20.00 s" in told["segment 8"][1]
    rows = {text.split(",")[1]: facts["y"] for facts, text in page.bars}
    assert float(rows[" variant 1"] or 0) < float(rows[" variant 0"] or 0)
    assert [facts["tabindex"] for facts, _ in page.bars][:2] == ["0", "-1"]


def test_what_another_variant_takes_over_is_given_up_then() -> None:
    """As when a variant fails: what was asked of it for later segments is asked of another."""
    record = record_of(
        noted(0.1, selected(HIGH, 0, "start", 1e6)),
        noted(0.2, begun(1, variant=1)),
        noted(0.5, selected(LOW, 1, "failover", 1e5)),
        *segment(1, 0.6, 0.9),
    )
    told = [(bar.variant, bar.fate, bar.end) for bar in digest(record).bars]
    assert told == [(1, "dropped", 0.6), (0, "network", 0.9)]


def test_a_failure_begins_anew_behind_a_seek_and_where_the_segment_was_left_out() -> None:
    failing = retried(4)
    record = record_of(
        noted(1.0, failing),
        noted(2.0, SegmentSkipped(index=4, start=24.0, duration=6.0, error=LOST)),
        noted(3.0, failing),
        noted(4.0, TimeSought(seconds=6.0, landed=6.0, index=1)),
        noted(5.0, failing),
        noted(6.0, FailedOver(variant=1, index=4, excluded_for=60.0, error=LOST)),
    )
    told = [(bar.fate, bar.begin, bar.end) for bar in digest(record).bars]
    assert told == [("lost", 1.0, 2.0), ("failed over", 5.0, 6.0)]
    again = replace(record, events=(noted(0.5, failing), *segment(4, 0.6, 0.7), *segment(4, 8, 9)))
    assert [bar.fate for bar in digest(again).bars] == ["retried", "network"]


def test_seams_seeks_and_losses_are_where_they_were() -> None:
    found = digest(SESSION)
    assert found.seams == [(18.0, "variant 1")]
    assert found.seeks == [(7.0, 42.0)]
    assert found.lost == [(18.0, 6.0)]
    assert found.steps == [(0.2, 64_000.0), (2.6, 256_000.0), (4.1, 64_000.0)]
    assert found.estimates == [(0.2, 90_000.0), (2.6, 500_000.0), (4.1, 400_000.0)]
    twice = digest(replace(SESSION, losses=(18.0, 50.0)))
    assert twice.lost == [(18.0, 6.0), (50.0, 0.0)]


def test_what_happened_is_told_in_order() -> None:
    page = Page(str(draw(SESSION)))
    assert page.rows[0] == "0.10 smaster.m3u8 from the network: the variants"
    times = [float(row.partition(" s")[0]) for row in page.rows]
    assert times == sorted(times)
    assert any("chosen for segment 3: up" in row for row in page.rows)
    assert any("the server answered <500> & more" in row for row in page.rows)


def test_the_page_needs_nothing_but_itself() -> None:
    text = str(draw(SESSION))
    page = Page(text)
    assert page.addresses == []
    assert not re.search(r"url\(|@import|\bfetch\(|XMLHttp|<link|<img|<iframe", text)
    assert "default-src 'none'" in text
    assert "<album>" not in text
    assert "prefers-color-scheme:dark" in text
    used = set(page.classes)
    for name in ("rate", "chosen", "estimate", "buffer", "seek", "seam", "trouble", "wave"):
        assert name in used


def test_nothing_happened_is_a_page_too() -> None:
    empty = replace(
        record_of(),
        spec=None,
        duration=None,
        received=Bins(width=0.1, sums=()),
        buffered=Samples(points=()),
        waveform=(),
        kind="file",
        container=None,
    )
    page = Page(str(draw(empty)))
    assert page.facts["source"] == "FILE"
    assert page.bars == []


def test_three_hours_stay_below_a_megabyte() -> None:
    events = [noted(0.1, selected(HIGH, 0, "start", 1e6))]
    for index in range(5400):
        events += segment(index, index * 2.0, index * 2.0 + 1.5)
        events.append(noted(index * 2.0, FirstByte(url="u", status=200, seconds=0.1)))
        if index % 50 == 0:
            events.append(noted(index * 2.0, Sought(seconds=float(index), position=0.0)))
    wave = tuple(
        Peak(start=place * 6.4, seconds=6.4, low=-0.123, high=0.456) for place in range(2048)
    )
    long = replace(
        record_of(*events, seconds=10_800.0),
        duration=10_800.0,
        waveform=wave,
        received=Bins(width=6.4, sums=tuple(range(2048))),
        buffered=Samples(points=tuple((n * 5.0, float(n % 60)) for n in range(2048))),
    )
    text = str(draw(long))
    assert len(text.encode()) < 1_000_000
    assert 1000 < len(Page(text).bars) <= 2000


def test_a_track_reports_what_it_did(server: ThreadedServer, wav: bytes, cache: Path) -> None:
    url = server.url("/tone.wav") + "?token=s3cret"
    with kithara.open(url, cache=cache) as track:
        for _ in track:
            pass
        track.seek(1)
        next(track)
        report = track.report()
        stats = track.stats
    page = Page(report.html)
    assert page.facts["source"] == "WAV"
    assert page.facts["sound"] == "8,000 Hz, stereo"
    assert page.facts["length"] == "0:02"
    assert page.facts["requests"] == str(stats.requests)
    assert page.facts["from the network"] == "96.0 kB"
    assert page.facts["seeks"] == "1"
    assert "s3cret" not in report.html
    assert "s3cret" not in repr(report)
    report.save(cache / "page.html")
    assert (cache / "page.html").read_text(encoding="utf-8") == str(report)
    assert isinstance(report, Report)
    assert report._repr_html_().startswith("<iframe srcdoc=")


def test_what_is_recorded_of_the_sound(server: ThreadedServer, cache: Path, wav: bytes) -> None:
    with kithara.open(server.url("/tone.wav"), cache=cache) as track:
        pcm = np.concatenate([chunk.data for chunk in track])
        track.wait_complete()
        record = track._recorder.record(track._session, track._audio)
    assert sum(record.received.sums) == len(wav)
    assert max(peak.high for peak in record.waveform) == pcm.max()
    assert min(peak.low for peak in record.waveform) == pcm.min()
    assert record.waveform[-1].start + record.waveform[-1].seconds == pytest.approx(2.0, abs=0.06)


async def test_what_was_told_this_moment_is_in_the_report(
    server: ThreadedServer, cache: Path
) -> None:
    async with kithara.aopen(server.url("/tone.wav"), cache=cache) as track:
        await track.await_complete()
        before = track.report().html
        assert isinstance(track._session, FileSession)
        track._session._channel.publish(Failed(error=LOST))
        assert str(LOST) not in before
        assert escape(str(LOST)) in track.report().html
