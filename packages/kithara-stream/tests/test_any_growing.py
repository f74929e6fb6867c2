"""Whatever is read in whatever order from a source that is still growing: it is the file."""

import io
import threading
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kithara_stream import Interrupted, Reader

DATA = bytes(i * 31 % 253 for i in range(5000))

moves = st.one_of(
    st.tuples(st.just("read"), st.integers(-1, 6000)),
    st.tuples(st.just("readinto"), st.integers(0, 6000)),
    st.tuples(st.just("set"), st.integers(0, 6000)),
    st.tuples(st.just("cur"), st.integers(-500, 500)),
    st.tuples(st.just("end"), st.integers(-6000, 100)),
    st.tuples(st.just("tell"), st.just(0)),
    st.tuples(st.just("interrupt"), st.just(0)),
)
# How the bytes come: sizes of pieces, and whether the source stalls before each.
arrivals = st.lists(st.tuples(st.integers(1, 900), st.booleans()), max_size=30)


class Feeder(threading.Thread):
    """Feeds a source as the arrivals say, and then the rest."""

    def __init__(self, source: Any, pieces: list[tuple[int, bool]]) -> None:
        super().__init__(daemon=True)
        self._source = source
        self._pieces = pieces
        self.ended = threading.Event()

    def run(self) -> None:
        at = 0
        for size, waits in self._pieces:
            if waits:  # a stall: who waits is left waiting for a moment
                self.ended.wait(0.001)
            self._source.feed(DATA[at : min(at + size, len(DATA))])
            at += size
        self._source.feed(DATA[at:])
        self._source.end()


def play(file: Any, name: str, number: int) -> Any:
    """One step, in a way that BytesIO and a raw file agree on."""
    match name:
        case "read":
            return file.read(number)
        case "readinto":
            buffer = bytearray(number)
            return file.readinto(buffer), bytes(buffer)
        case "set":
            return file.seek(number)
        case "cur":
            return file.seek(max(0, file.tell() + number))
        case "end":
            return file.seek(max(-len(DATA), number), io.SEEK_END)
        case _:
            return file.tell()


def interrupted(reader: Reader) -> bool:
    """Whether a read between interrupt and proceed raises and moves nothing."""
    before = reader.tell()
    reader.interrupt()
    try:
        reader.read(1)
    except Interrupted:
        return reader.tell() == before
    finally:
        reader.proceed()
    return False


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the fixture is a class
    deadline=None,
    max_examples=150,
)
@given(
    steps=st.lists(moves, max_size=20),
    pieces=arrivals,
    length_known=st.booleans(),
    buffered=st.booleans(),
)
def test_a_growing_source_reads_like_bytesio(
    growing: Callable[..., Any],
    steps: list[tuple[str, int]],
    pieces: list[tuple[int, bool]],
    length_known: bool,
    buffered: bool,
) -> None:
    source = growing(length=len(DATA) if length_known else None)
    reader, model = Reader(source), io.BytesIO(DATA)
    file: Any = reader.buffered(64) if buffered else reader
    feeder = Feeder(source, pieces)
    feeder.start()
    try:
        for name, number in steps:
            if name == "interrupt":
                assert interrupted(reader) or buffered
            elif name in ("read", "readinto", "tell") or file.seekable():
                assert play(file, name, number) == play(model, name, number)
    finally:
        feeder.ended.set()
        feeder.join()
    assert file.read() == model.read()
    assert file.read(1) == b""
    file.close()
    assert source.closed
