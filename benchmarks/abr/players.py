"""The players of `abr.end_to_end` that run here: ours, and ffmpeg with one variant."""

import math
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import kithara as front_door
from abr.stage import AHEAD, PATIENCE, TICK, Chosen, Heard, Stage
from kithara_hls import (
    AbrSettings,
    HlsOptions,
    SegmentComplete,
    VariantApplied,
    VariantSelected,
)

__all__ = ("ffmpeg", "kithara")

DEVICE = 0.2  # seconds of sound that the device holds
BLOCK = 0.1
ENOUGH = 0.9  # of a segment; an encoder's delay takes a little off the first one


def kithara(stage: Stage, *, goal: float) -> Heard:
    """Ours, through its front door, decoded and heard in real time."""
    hls = HlsOptions(variant="auto", abr=AbrSettings(buffer_goal=goal))
    variants: dict[int, int] = {}
    chosen: list[Chosen] = []
    whole: set[int] = set()
    news = threading.Condition()
    with tempfile.TemporaryDirectory() as cache, stage.link() as url, _timer() as late:
        began = time.monotonic()
        with front_door.open(url + "/master.m3u8", cache=cache, hls=hls) as track:

            def watch() -> None:
                for event in track.events():
                    if isinstance(event, SegmentComplete) and event.index is not None:
                        with news:
                            whole.add(event.index)
                            news.notify()
                    elif isinstance(event, VariantApplied):
                        variants[event.index] = event.variant.index
                    elif isinstance(event, VariantSelected) and event.decision is not None:
                        made, at = event.decision, time.monotonic() - began
                        believed = made.estimate.rate / 1e3 if made.estimate is not None else 0.0
                        chosen.append(
                            Chosen(at, event.index, event.variant.index, believed, made.buffer)
                        )

            def ready(played: float) -> None:
                """As many players do, wait for a whole segment."""
                index = int(played / stage.segment)
                with news:
                    news.wait_for(lambda: index in whole, PATIENCE * stage.seconds)

            watching = threading.Thread(target=watch)
            watching.start()
            rate = track.spec.sample_rate
            ends = ((chunk.start + len(chunk.data)) / rate for chunk in track)
            played, stalled, start = _listen(ends, began, stage, ready)
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
    blocks: queue.Queue[float] = queue.Queue(round(AHEAD / BLOCK))
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
                blocks.put(at)
            over.set()
            blocks.put(math.inf)

        def ready(_: float) -> None:
            """As the others, wait for about a segment."""
            while blocks.qsize() * BLOCK < ENOUGH * stage.segment and not over.is_set():
                if time.monotonic() - began > PATIENCE * stage.seconds:
                    break
                time.sleep(BLOCK / 10)

        reading = threading.Thread(target=read)
        reading.start()
        try:
            ends = iter(blocks.get, math.inf)
            played, stalled, start = _listen(ends, began, stage, ready)
        finally:
            over.set()
            process.kill()
            process.wait()
            while reading.is_alive():  # it may wait for room
                with blocks.mutex:
                    blocks.queue.clear()
                    blocks.not_full.notify()
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


def _listen(
    ends: Iterable[float], began: float, stage: Stage, ready: Callable[[float], None]
) -> tuple[float, float, float]:
    """Hear what ends at each of ``ends`` in its time: seconds played, of silence, to the start.

    ``ready`` waits until there is enough to begin, or to go on after a silence, at a place.
    """
    ready(0.0)
    start = time.monotonic() - began
    played = stalled = 0.0
    for end in ends:
        over = began + start + stalled + played - time.monotonic()  # what the device still holds
        if over < 0.0:
            if played:
                ready(played)
            stalled = time.monotonic() - (began + start + played)
        if time.monotonic() - began > PATIENCE * stage.seconds:
            break
        played = end
        time.sleep(max(0.0, began + start + stalled + played - DEVICE - time.monotonic()))
    return played, stalled, start


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
