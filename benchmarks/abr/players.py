"""The players of `abr.end_to_end`: each opens the same URL over a link of its own and plays it."""

import http.server
import json
import math
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import kithara as front_door
from kithara_hls import AbrSettings, HlsOptions, VariantApplied, VariantSelected

__all__ = ("LADDER", "Chosen", "Heard", "Stage", "chromium", "ffmpeg", "kithara", "origin")

LADDER = (64, 96, 128, 192, 256, 320)  # kbit/s
LATE = 0.2  # seconds of sound in the device: who is late by less is not heard to be
PATIENCE = 1.5  # times the length: who has not come to the end by then is stopped
TICK = 0.05  # seconds of the timer by which a player's process is seen to run
AHEAD = 60.0  # seconds that hls.js and the player behind ffmpeg buffer
BLOCK = 0.1
ENOUGH = 0.9  # of a segment; an encoder's delay takes a little off the first one
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a player plays: the link, the server behind it, seconds of sound and of segments."""

    slowlink: Path
    trace: Path
    rtt: float
    origin: int
    seconds: float
    segment: float

    @contextmanager
    def link(self) -> Iterator[str]:
        """A link whose trace begins now; gives the URL that it leads to."""
        port = _free_port()
        command = [sys.executable, str(self.slowlink), "--listen", str(port)]
        command += ["--to", str(self.origin), "--trace", str(self.trace)]
        command += ["--rtt-ms", str(self.rtt * 1e3)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


@dataclass(frozen=True, slots=True)
class Chosen:
    """A segment begins to be fetched: seconds since the link began, which one, its variant.

    ``believed`` is the rate that the player thinks the link has, in kbit/s; ``buffer`` seconds.
    """

    at: float
    index: int
    variant: int
    believed: float
    buffer: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a listener had: the variant of each segment heard, and seconds.

    ``late`` is by how much a timer of its process was late at worst: much more than the players
    tell apart means that the machine was too busy for a fair run.
    """

    variants: tuple[int, ...]
    segment: float
    played: float
    stalled: float
    start: float
    late: float = 0.0
    chosen: tuple[Chosen, ...] = ()

    @property
    def kbit(self) -> float:
        """Mean bitrate of what was heard."""
        return sum(LADDER[v] for v in self.variants) / max(1, len(self.variants))

    @property
    def switches(self) -> int:
        """Heard ones."""
        return sum(a != b for a, b in pairwise(self.variants))

    @property
    def qoe(self) -> float:
        """The laboratory's, for each second played."""
        value = sum(math.log2(LADDER[v] / 32.0) for v in self.variants) / max(1, len(self.variants))
        steps = sum(abs(math.log2(LADDER[a] / LADDER[b])) for a, b in pairwise(self.variants))
        return value - (10.0 * self.stalled + 5.0 * self.start + steps) / max(1.0, self.played)


@contextmanager
def origin(folder: Path) -> Iterator[int]:
    """Serve a folder on loopback, to pages of any origin; gives the port."""
    with _serving(partial(_Files, directory=str(folder))) as port:
        yield port


def kithara(stage: Stage, *, goal: float) -> Heard:
    """Ours, through its front door, decoded and heard in real time."""
    hls = HlsOptions(variant="auto", abr=AbrSettings(buffer_goal=goal))
    variants: dict[int, int] = {}
    chosen: list[Chosen] = []
    with tempfile.TemporaryDirectory() as cache, stage.link() as url, _timer() as late:
        began = time.monotonic()
        with front_door.open(url + "/master.m3u8", cache=cache, hls=hls) as track:

            def watch() -> None:
                for event in track.events():
                    if isinstance(event, VariantApplied):
                        variants[event.index] = event.variant.index
                    elif isinstance(event, VariantSelected) and event.decision is not None:
                        made, at = event.decision, time.monotonic() - began
                        believed = made.estimate.rate / 1e3 if made.estimate is not None else 0.0
                        chosen.append(
                            Chosen(at, event.index, event.variant.index, believed, made.buffer)
                        )

            watching = threading.Thread(target=watch)
            watching.start()
            rate = track.spec.sample_rate
            ends = ((chunk.start + len(chunk.data)) / rate for chunk in track)
            played, stalled, start = _listen(ends, began, stage)
        watching.join()
    heard, variant = [], 0
    for index in range(math.ceil(played / stage.segment)):
        variant = variants.get(index, variant)
        heard.append(variant)
    return Heard(
        variants=tuple(heard),
        segment=stage.segment,
        played=played,
        stalled=stalled,
        start=start,
        late=max(late),
        chosen=tuple(chosen),
    )


def ffmpeg(stage: Stage, *, index: int) -> Heard:
    """FFmpeg with one variant, its samples kept ready for a player that wants them in time."""
    ready: queue.Queue[float] = queue.Queue(round(AHEAD / BLOCK))
    over = threading.Event()
    with stage.link() as url, _timer() as late:
        began = time.monotonic()
        command = ["ffmpeg", "-v", "quiet", "-nostdin", "-i", f"{url}/{index}/list.m3u8"]
        command += ["-f", "s16le", "-ac", "2", "-ar", "44100", "-"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)

        def read() -> None:
            assert process.stdout is not None
            size, at = round(44100 * BLOCK) * 4, 0.0
            while (block := process.stdout.read(size)) and not over.is_set():
                at += len(block) / 4 / 44100
                ready.put(at)
            ready.put(math.inf)

        reading = threading.Thread(target=read)
        reading.start()
        try:
            ends = iter(ready.get, math.inf)
            played, stalled, start = _listen(ends, began, stage)
        finally:
            over.set()
            process.kill()
            process.wait()
            while reading.is_alive():  # it may wait for room
                with ready.mutex:
                    ready.queue.clear()
                    ready.not_full.notify()
                reading.join(BLOCK)
    count = math.ceil(played / stage.segment)
    return Heard(
        variants=(index,) * count,
        segment=stage.segment,
        played=played,
        stalled=stalled,
        start=start,
        late=max(late),
    )


def chromium(stage: Stage, *, script: Path) -> Heard:
    """hls.js in headless Chromium, with its defaults but for the seconds that it buffers."""
    told: queue.Queue[str] = queue.Queue()
    with tempfile.TemporaryDirectory() as profile, stage_page(stage, script, told) as port:
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
def stage_page(stage: Stage, script: Path, told: "queue.Queue[str]") -> Iterator[int]:
    """Serve the page, its script, the moment when the link begins, and a place for the result."""
    link = stage.link()
    page = _PAGE.replace("AHEAD", str(AHEAD)).replace("LIMIT", str(PATIENCE * stage.seconds))
    page = page.replace("TICK", str(TICK))

    class Page(_Quiet):
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

    with _serving(Page) as port:
        try:
            yield port
        finally:
            link.__exit__(None, None, None)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # all players connect in the same second


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def handle(self) -> None:
        with suppress(ConnectionError):  # a player that gave up a request
            super().handle()


class _Files(_Quiet):
    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Timing-Allow-Origin", "*")
        super().end_headers()


@contextmanager
def _serving(handler: "partial[_Files] | type[_Quiet]") -> Iterator[int]:
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def _listen(ends: Iterable[float], began: float, stage: Stage) -> tuple[float, float, float]:
    """Hear what ends at each of ``ends`` in its time: seconds played, of silence, to the start.

    Starts, and goes on after a silence, once it has nearly as much as a segment.
    """
    start: float | None = None
    played = stalled = 0.0
    source, ready, over = iter(ends), deque[float](), False
    enough = ENOUGH * stage.segment
    while time.monotonic() - began <= PATIENCE * stage.seconds:
        wanted = LATE if ready or (start is not None and played) else enough
        while not over and (not ready or ready[-1] - played < wanted):
            end = next(source, None)
            over = end is None
            if end is not None:
                ready.append(end)
            if start is not None and time.monotonic() > began + start + stalled + played + LATE:
                wanted = enough
        if not ready:
            break
        now = time.monotonic()
        start = now - began if start is None else start
        late = now - (began + start + stalled + played)
        stalled += late if late > LATE else 0.0
        played = ready.popleft()
        time.sleep(max(0.0, began + start + stalled + played - time.monotonic()))
    return played, stalled, start if start is not None else time.monotonic() - began


@contextmanager
def _timer() -> Iterator[list[float]]:
    """By how many seconds each tick of a timer in this process is late."""
    over, late = threading.Event(), [0.0]

    def tick() -> None:
        due = time.monotonic() + TICK
        while not over.wait(TICK):
            now = time.monotonic()
            late.append(now - due)
            due = now + TICK

    ticking = threading.Thread(target=tick)
    ticking.start()
    try:
        yield late
    finally:
        over.set()
        ticking.join()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    """Until somebody listens there; a fresh process takes a moment, and ten seconds at most."""
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return
