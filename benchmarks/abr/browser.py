"""hls.js in headless Chromium, as a player of `abr.end_to_end`."""

import json
import math
import queue
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from abr.stage import AHEAD, PATIENCE, TICK, Chosen, Heard, Quiet, Stage, serving

__all__ = ("chromium",)

CHROMIUM = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--mute-audio",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


def chromium(stage: Stage, *, script: Path) -> Heard:
    """hls.js in headless Chromium, with its defaults but for the seconds that it buffers."""
    told: queue.Queue[str] = queue.Queue()
    with tempfile.TemporaryDirectory() as profile, _page(stage, script, told) as port:
        command = ["chromium", *CHROMIUM, f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            [*command, f"http://127.0.0.1:{port}/"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            answer = json.loads(told.get(timeout=PATIENCE * stage.seconds + 60.0))
        finally:
            process.terminate()
            process.wait()
    levels: list[int] = []
    for index in range(math.ceil(answer["played"] / stage.segment)):
        levels.append(answer["levels"].get(str(index), levels[-1] if levels else 0))
    return Heard(
        variants=tuple(levels),
        segment=stage.segment,
        played=answer["played"],
        stalled=answer["wall"] - answer["start"] - answer["played"],
        start=answer["start"],
        late=answer["late"],
        chosen=tuple(Chosen(*one) for one in answer["chosen"]),
    )


_PAGE = """<!doctype html><audio></audio><script src="/hls.js"></script><script>
(async () => {
  const url = await (await fetch("/begin")).text(), audio = document.querySelector("audio");
  const hls = new Hls({maxBufferLength: AHEAD, maxMaxBufferLength: AHEAD});
  const levels = {}, began = performance.now(), seconds = () => (performance.now() - began) / 1e3;
  const chosen = [];
  let start = 0, over = false, late = 0, ticked = seconds();
  setInterval(() => {
    late = Math.max(late, seconds() - ticked - TICK);
    ticked = seconds();
  }, TICK * 1e3);
  const tell = () => {
    if (over) return;
    over = true;
    const result = {levels, start, played: audio.currentTime, wall: seconds(), late, chosen};
    fetch("/told", {method: "POST", body: JSON.stringify(result)});
  };
  hls.on(Hls.Events.FRAG_LOADING, (_, {frag}) => {
    const ready = audio.buffered, end = ready.length ? ready.end(ready.length - 1) : 0;
    const believed = hls.bandwidthEstimate / 1e3;
    chosen.push([seconds(), frag.sn, frag.level, believed, end - audio.currentTime]);
  });
  hls.on(Hls.Events.FRAG_CHANGED, (_, {frag}) => { levels[frag.sn] = frag.level; });
  audio.addEventListener("timeupdate", () => { start = start || seconds() - audio.currentTime; });
  audio.addEventListener("ended", tell);
  setTimeout(tell, LIMIT * 1e3);
  hls.loadSource(url + "/master.m3u8");
  hls.attachMedia(audio);
  audio.play();
})();
</script>"""


@contextmanager
def _page(stage: Stage, script: Path, told: "queue.Queue[str]") -> Iterator[int]:
    """Serve the page, its script, the moment when the link begins, and a place for the result."""
    link = stage.link()
    page = _PAGE.replace("AHEAD", str(AHEAD)).replace("LIMIT", str(PATIENCE * stage.seconds))
    page = page.replace("TICK", str(TICK))

    class Page(Quiet, SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/begin":
                self.answer(link.__enter__().encode(), "text/plain")
            elif self.path == "/hls.js":
                self.answer(script.read_bytes(), "text/javascript")
            elif self.path == "/":
                self.answer(page.encode(), "text/html")
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(b"", "text/plain")
            told.put(body.decode())

        def answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Page) as port:
        try:
            yield port
        finally:
            link.__exit__(None, None, None)
