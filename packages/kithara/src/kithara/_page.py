"""The page of a report: key facts, the timeline, the waveform, what happened."""

import itertools
import statistics
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape

from _kithara._units import clock, megabytes

from ._digest import FATES, MOST_TOLD, Bar, Digest, digest
from ._figures import LEFT, RIGHT, WIDTH, Axis, Panel, figure, line, text, time_axis
from ._page_style import SCRIPT, STYLE
from ._record import SessionRecord
from ._series import Bins

ROW = 20
MOST_BARS = 2000
_BAD = ("retried", "failed over", "lost")


def page(record: SessionRecord) -> str:
    """The whole page."""
    found = digest(record)
    name = record.url.rstrip("/").rpartition("/")[2] or record.url
    when = datetime.fromtimestamp(record.began, UTC).strftime("%d %B %Y, %H:%M:%S UTC")
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(name)}: session report</title><style>{STYLE}</style></head>
<body><main>
<header><h1>{escape(name)}</h1><p class="dim">{escape(record.url)}<br>{when}</p></header>
<dl>{"".join(_fact(label, value, bad) for label, value, bad in _facts(record, found))}</dl>
<h2>While it ran</h2>{_legend(record, found)}{_timeline(record, found)}
<p id="told" aria-live="polite" class="dim">{_hint(found)}</p>
<h2>The sound</h2>{_waveform(record, found)}
<h2>What happened</h2>{_log(found)}
</main><script>{SCRIPT}</script></body></html>
"""


def _facts(record: SessionRecord, found: Digest) -> Iterator[tuple[str, str, bool]]:
    """The key facts: a label, what is so, and whether it is bad."""
    kind = "HLS" if record.kind == "hls" else (record.container or "file").upper()
    yield "source", kind, False
    if record.spec is not None:
        channels = record.spec.layout or f"{record.spec.channels} channels"
        yield "sound", f"{record.spec.sample_rate:,} Hz, {channels}", False
    if record.duration is not None:
        yield "length", clock(record.duration), False
    if found.first_pcm is not None:
        yield "first sound after", f"{found.first_pcm:.2f} s", False
    if found.first_byte is not None:
        yield "answers after", f"{found.first_byte * 1000:.0f} ms", False
    yield "session", f"{record.seconds:.1f} s", False
    yield "from the network", megabytes(record.bytes_received), False
    yield "from the cache", megabytes(record.bytes_cached), False
    yield "requests", f"{record.requests:,}", False
    yield "tried again", f"{found.retries:,}", bool(found.retries)
    if record.kind == "hls":
        yield "variant switches", f"{found.switches:,}", False
        yield "failovers", f"{found.failovers:,}", bool(found.failovers)
    yield "waits for sound", f"{record.underruns:,}", False
    yield "places lost", f"{len(found.lost):,}", bool(found.lost)
    if found.seeks:
        yield "seeks", f"{len(found.seeks):,}", False
    if found.answers:
        yield "sound after a seek", f"{statistics.median(found.answers):.2f} s", False


def _fact(label: str, value: str, bad: bool) -> str:
    mark = ' class="bad"' if bad else ""
    return f"<div{mark}><dt>{escape(label)}</dt><dd>{escape(value)}</dd></div>"


def _timeline(record: SessionRecord, found: Digest) -> str:
    """Rates, buffer and segments over the seconds of the session."""
    axis = Axis(record.seconds)
    width = record.received.width
    rates = [8 * size / width for size in record.received.sums]
    known = [rate for _, rate in found.steps + found.estimates]
    panel = Panel(axis, 24, 150, max([*rates, *known, 1.0]))
    scale, unit = (1e6, "Mbit/s") if panel.highest >= 2e6 else (1e3, "kbit/s")
    parts = [panel.frame("network", unit, scale), panel.bins(width, rates, "rate")]
    parts += [panel.steps(found.steps, "chosen"), panel.steps(found.estimates, "estimate")]
    parts.append(panel.marks(found.requests[:MOST_BARS], "request"))
    parts += [line(axis.x(at), panel.top, axis.x(at), panel.bottom, "trouble", "tried again")
              for at in found.trouble[:MOST_BARS]]  # fmt: skip
    bottom = panel.bottom
    if record.buffered.points:
        points = record.buffered.points
        panel = Panel(axis, bottom + 34, 80, max(value for _, value in points))
        parts += [panel.frame("fetched ahead", "s"), panel.steps(points, "buffer", fill=True)]
        bottom = panel.bottom
    elif record.kind == "file":
        sums = _running(record.received)
        panel = Panel(axis, bottom + 34, 80, sums[-1][1] if sums else 1.0)
        scale, unit = (1e6, "MB") if panel.highest >= 1e6 else (1e3, "kB")
        parts += [panel.frame("received", unit, scale), panel.steps(sums, "buffer", fill=True)]
        bottom = panel.bottom
    if found.bars:
        drawn, bottom = _bars(axis, bottom + 34, record, found)
        parts.append(drawn)
    parts += [line(axis.x(at), 24, axis.x(at), bottom, "seek", f"seek to {target:.1f} s")
              for at, target in found.seeks[:MOST_BARS]]  # fmt: skip
    parts.insert(0, time_axis(axis, 24, bottom, "seconds of the session"))
    return figure(bottom + 26, "timeline of the session", parts)


def _bars(axis: Axis, top: float, record: SessionRecord, found: Digest) -> tuple[str, float]:
    """A row for each variant, a bar for each segment; and how far down that goes."""
    variants = sorted({bar.variant for bar in found.bars}, key=lambda v: -found.variants.get(v, 0))
    rows = {variant: top + ROW * number for number, variant in enumerate(variants)}
    parts = [text(LEFT, top - 6, "segments, by variant", "head")]
    parts += [text(LEFT - 6, y + 14, str(variant), "tick end") for variant, y in rows.items()]
    for number, bar in enumerate(_drawable(found.bars)):
        end = record.seconds if bar.end is None else bar.end
        x = axis.x(bar.begin)
        wide = max(axis.x(end) - x, 2.0)
        inset = 6 if bar.index is None else 2
        kind = bar.fate.replace(" ", "-")
        focus = "0" if number == 0 else "-1"
        parts.append(
            f'<rect class="bar {kind}" tabindex="{focus}" x="{x:.1f}" '
            f'y="{rows[bar.variant] + inset}" width="{wide:.1f}" height="{ROW - 2 * inset}">'
            f"<title>{escape(_sentence(bar, end))}</title></rect>"
        )
    return "".join(parts), top + ROW * len(variants)


def _drawable(bars: list[Bar]) -> list[Bar]:
    """All of them, or, of very many, what went wrong and evenly some of the rest."""
    if len(bars) <= MOST_BARS:
        return bars
    step = -(-len(bars) // MOST_BARS)
    return [b for n, b in enumerate(bars) if n % step == 0 or b.fate in _BAD]


def _sentence(bar: Bar, end: float) -> str:
    what = "init section" if bar.index is None else f"segment {bar.index}"
    took = f"{bar.begin:.2f} s to {end:.2f} s"
    size = f", {bar.size:,} bytes" if bar.size else ""
    media = f", {bar.seconds:g} s of sound" if bar.seconds else ""
    again = f", asked for {bar.retries + 1} times" if bar.retries else ""
    return (
        f"{what}, variant {bar.variant}, {bar.fate}: {took}{size}{media}{again} {bar.name}".strip()
    )


def _waveform(record: SessionRecord, found: Digest) -> str:
    """What was heard, by place in the sound, with seams, seeks and losses."""
    peaks = record.waveform
    reach = peaks[-1].start + peaks[-1].seconds if peaks else 0.0
    axis = Axis(record.duration or reach)
    top, height = 12.0, 120.0
    middle = top + height / 2
    loudest = max((abs(v) for peak in peaks for v in (peak.low, peak.high)), default=0.0) or 1.0
    path = "".join(
        f"M{axis.x(p.start):.1f} {middle - p.high / loudest * height / 2:.1f}"
        f"V{middle - p.low / loudest * height / 2 + 0.5:.1f}"
        f"H{max(axis.x(p.start + p.seconds), axis.x(p.start) + 0.6):.1f}"
        f"V{middle - p.high / loudest * height / 2:.1f}Z"
        for p in peaks
    )
    parts = [time_axis(axis, top, top + height, "place in the sound")]
    parts.append(line(LEFT, middle, WIDTH - RIGHT, middle, "grid"))
    parts.append(f'<path class="wave" d="{path}"/>')
    parts += [line(axis.x(at), top, axis.x(at), top + height, "seam", f"{name} from {clock(at)} on")
              for at, name in found.seams[:MOST_BARS]]  # fmt: skip
    parts += [line(axis.x(to), top, axis.x(to), top + height, "seek", f"a seek to {to:.1f} s")
              for _, to in found.seeks[:MOST_BARS]]  # fmt: skip
    parts += [line(axis.x(at), top, axis.x(at), top + height, "trouble", f"lost at {clock(at)}")
              for at, _ in found.lost[:MOST_BARS]]  # fmt: skip
    if not peaks:
        parts.append(text(LEFT + 12, middle - 8, "nothing was played", "head"))
    return figure(top + height + 26, "waveform of what was heard", parts)


def _legend(record: SessionRecord, found: Digest) -> str:
    """What the colours mean, of what is there."""
    fates = {bar.fate for bar in found.bars}
    keys = [("rate", "received")] if record.received.sums else []
    keys += [("chosen", "chosen variant")] if found.steps else []
    keys += [("estimate", "estimate")] if found.estimates else []
    keys += [(fate.replace(" ", "-"), fate) for fate in FATES if fate in fates]
    keys += [("seek", "seek")] if found.seeks else []
    keys += [("seam", "variant heard from there")] if found.seams else []
    keys += [("trouble", "trouble")] if found.trouble or found.lost else []
    items = "".join(f'<li><i class="{kind}"></i>{escape(name)}</li>' for kind, name in keys)
    return f'<ul class="legend">{items}</ul>'


def _hint(found: Digest) -> str:
    return "Rest on a bar, tap it, or walk over the bars with the arrow keys." if found.bars else ""


def _log(found: Digest) -> str:
    rows = "".join(
        f"<tr{' class=bad' if told.bad else ''}><td>{told.at:.2f} s</td>"
        f"<td>{escape(told.text)}</td></tr>"
        for told in found.told
    )
    more = "<p class=dim>And more.</p>" if len(found.told) >= MOST_TOLD else ""
    return f'<div class="figure" tabindex="0"><table>{rows}</table></div>{more}'


def _running(received: Bins) -> list[tuple[float, float]]:
    """All that came so far, by time."""
    totals = itertools.accumulate(received.sums)
    return [(place * received.width, total) for place, total in enumerate(totals)]
