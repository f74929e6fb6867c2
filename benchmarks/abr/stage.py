"""Where the players of `abr.end_to_end` play, and what is written down of each."""

import http.server
import math
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

__all__ = (
    "AHEAD",
    "LADDER",
    "PATIENCE",
    "TICK",
    "Chosen",
    "Heard",
    "Quiet",
    "Stage",
    "origin",
    "serving",
)

LADDER = (64, 96, 128, 192, 256, 320)  # kbit/s
PATIENCE = 1.5  # times the length: who has not come to the end by then is stopped
TICK = 0.05  # seconds of the timer by which a player's process is seen to run
AHEAD = 60.0  # seconds that hls.js and the player behind ffmpeg buffer


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
    with serving(partial(_Files, directory=str(folder))) as port:
        yield port


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # all players connect in the same second


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Answers without a word on the terminal."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def handle(self) -> None:
        """All requests of a connection."""
        with suppress(ConnectionError):  # a player that gave up a request
            super().handle()


class _Files(Quiet):
    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Timing-Allow-Origin", "*")
        super().end_headers()


@contextmanager
def serving(handler: "partial[_Files] | type[Quiet]") -> Iterator[int]:
    """Answer with ``handler`` on a port of loopback, which is given."""
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


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
