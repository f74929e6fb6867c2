"""The report of real sessions, in a real browser."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from commands import CommandLine
from kithara_net.testing import ThreadedServer
from sample import RATE

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
]  # fmt: skip

# Walks over the bars as a keyboard does, and writes down what a reader of the page would meet.
LOOK = """
<script>
const bars = [...document.querySelectorAll('.bar')], told = document.getElementById('told');
const walked = [];
if (bars.length) {
  bars[0].focus();
  for (const key of ['ArrowRight', 'End', 'ArrowRight', 'Home']) {
    document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
    walked.push([bars.indexOf(document.activeElement), told.textContent]);
  }
}
const style = getComputedStyle(document.body);
document.body.dataset.seen = JSON.stringify({
  titles: bars.map(bar => bar.querySelector('title').textContent), walked,
  stops: bars.filter(bar => bar.tabIndex === 0).length,
  paper: style.backgroundColor, ink: style.color,
  wide: document.documentElement.scrollWidth, window: innerWidth,
  outside: performance.getEntriesByType('resource').length,
});
</script>
"""

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def look(page: Path, folder: Path, *flags: str) -> dict[str, object]:
    """What the browser makes of a page."""
    driven = folder / "driven.html"
    text = page.read_text(encoding="utf-8")
    driven.write_text(text.replace("</body>", LOOK + "</body>"), encoding="utf-8")
    profile = folder / "profile"
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", *flags, "--dump-dom",
         driven.as_uri()],
        capture_output=True, text=True, timeout=50, check=True,
    )  # fmt: skip
    shutil.rmtree(profile, ignore_errors=True)
    (seen,) = re.findall(r'data-seen="([^"]*)"', done.stdout)
    facts: dict[str, object] = json.loads(seen.replace("&quot;", '"').replace("&amp;", "&"))
    return facts


@pytest.fixture
def page(media: Path, kithara_cli: CommandLine) -> Path:
    """A session of HLS with a segment that is asked for twice."""
    with ThreadedServer() as server:
        server.serve_directory(media)
        segment = media / "fmp4/aac-2-001.m4s"
        server.add("/fmp4/aac-2-001.m4s", segment, script=[{"status": 503}])
        url = server.url("/fmp4/master.m3u8?token=s3cret")
        ran = kithara_cli("decode", url, "-o", "out.wav", "--report", "report.html")
    assert ran.code == 0, ran.err
    return kithara_cli.folder / "report.html"


def test_the_report_of_a_session_with_a_failure(page: Path, media: Path) -> None:
    segments = len(list(media.glob("fmp4/aac-2-*.m4s")))
    text = page.read_text(encoding="utf-8")
    assert len(text.encode()) < 1_000_000
    assert "s3cret" not in text
    assert (
        len(re.findall(r'class="bar network"', text)) == segments - 1 + 1
    )  # the init section, too
    assert len(re.findall(r'class="bar retried"', text)) == 1
    assert "<dt>tried again</dt><dd>1</dd>" in text
    assert "<dt>length</dt><dd>0:12</dd>" in text


@needs_browser
def test_the_keyboard_walks_over_the_bars(page: Path, tmp_path: Path) -> None:
    seen = look(page, tmp_path, "--window-size=1200,900")
    titles = seen["titles"]
    assert isinstance(titles, list)
    last = len(titles) - 1
    assert last >= 3
    assert seen["walked"] == [
        [1, titles[1]], [last, titles[last]], [last, titles[last]], [0, titles[0]],
    ]  # fmt: skip
    assert seen["stops"] == 1
    assert seen["outside"] == 0


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_light_and_dark_and_narrow(dark: bool, page: Path, tmp_path: Path) -> None:
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    seen = look(page, tmp_path, "--window-size=500,900", *scheme)
    paper, ink = (sum(map(int, re.findall(r"\d+", str(seen[k])))) for k in ("paper", "ink"))
    assert (paper < ink) == dark
    assert seen["wide"] == seen["window"]  # nothing but the figures scrolls sideways


def test_a_session_that_fails_has_a_report_too(media: Path, kithara_cli: CommandLine) -> None:
    with ThreadedServer() as server:
        server.serve_directory(media)
        for variant in range(3):
            server.add(f"/fmp4/aac-{variant}-002.m4s", b"", status=404)
        url = server.url("/fmp4/master.m3u8")
        ran = kithara_cli("decode", url, "-o", "out.wav", "--report", "bad.html", "--retries", "0")
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    text = (kithara_cli.folder / "bad.html").read_text(encoding="utf-8")
    assert "given up" in text
    assert "404" in text


def test_a_lost_segment_is_silence_and_told(media: Path, kithara_cli: CommandLine) -> None:
    with ThreadedServer() as server:
        server.serve_directory(media)
        server.add("/fmp4/aac-2-001.m4s", b"", status=404)
        url = server.url("/fmp4/aac-2.m3u8")
        pcm = kithara_cli.decode(url, "--retries", "0", "--lost", "silence", "--report", "l.html")
    assert abs(len(pcm) - 12 * RATE) < RATE / 10
    assert not pcm[int(4.2 * RATE) : int(7.8 * RATE)].any()
    assert pcm[9 * RATE :].any()
    text = (kithara_cli.folder / "l.html").read_text(encoding="utf-8")
    assert "<dt>places lost</dt><dd>1</dd>" in text
    assert text.count('class="bar lost"') == 1


def test_fetch_writes_a_report(media: Path, kithara_cli: CommandLine) -> None:
    with ThreadedServer() as server:
        server.serve_directory(media)
        ran = kithara_cli("fetch", server.url("/melody.mp3"), "--report", "f.html")
    assert ran.code == 0, ran.err
    text = (kithara_cli.folder / "f.html").read_text(encoding="utf-8")
    assert "nothing was played" in text
    assert "<dt>requests</dt><dd>1</dd>" in text
