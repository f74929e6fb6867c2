import io
import threading
import wave
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kithara_stream import (
    Cancelled,
    Interrupted,
    MediaSpan,
    Reader,
    SeekPoint,
    TimedSource,
    WaitOutcome,
)

T = TypeVar("T")

DATA = bytes(i * 7 % 251 for i in range(3000))

moves = st.one_of(
    st.tuples(st.just("read"), st.integers(-1, 4000)),
    st.tuples(st.just("readinto"), st.integers(0, 4000)),
    st.tuples(st.just("set"), st.integers(0, 4000)),
    st.tuples(st.just("cur"), st.integers(-500, 500)),
    st.tuples(st.just("end"), st.integers(-4000, 100)),
    st.tuples(st.just("tell"), st.just(0)),
)


def play(file: Any, name: str, number: int) -> Any:
    try:
        match name:
            case "read":
                return file.read(number)
            case "readinto":
                buffer = bytearray(number)
                return file.readinto(buffer), bytes(buffer)
            case "set":
                return file.seek(number)
            case "cur":
                # BytesIO clamps a relative seek before the start; a raw file refuses it.
                return file.seek(max(0, file.tell() + number) - file.tell(), io.SEEK_CUR)
            case "end":
                return file.seek(max(-len(DATA), number), io.SEEK_END)
            case _:
                return file.tell()
    except ValueError as error:
        return type(error)


def in_thread(work: Callable[[], T]) -> "Future[T]":
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except (Cancelled, Interrupted, OSError, ValueError, EOFError, ZeroDivisionError) as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the fixture is a class
@given(steps=st.lists(moves, max_size=30), buffered=st.booleans())
def test_a_complete_source_reads_like_bytesio(
    growing: Any, steps: list[tuple[str, int]], buffered: bool
) -> None:
    reader: Any = Reader(growing(DATA, length=len(DATA)))
    if buffered:
        reader = reader.buffered(64)
    model = io.BytesIO(DATA)
    for name, number in steps:
        assert play(reader, name, number) == play(model, name, number)


def test_read_waits_until_all_that_was_asked_for_is_there(growing: Any) -> None:
    source = growing(b"abc", length=10)
    outcome = in_thread(lambda: Reader(source).read(8))
    source.waiting.acquire()
    source.feed(b"defg")
    assert not outcome.done()
    source.feed(b"hij")
    assert outcome.result(5) == b"abcdefgh"


def test_readinto1_hands_on_what_is_there(growing: Any) -> None:
    reader = Reader(growing(b"abc"))
    buffer = bytearray(8)
    assert reader.readinto1(buffer) == 3
    assert bytes(buffer[:3]) == b"abc"


def test_buffered_hands_bytes_on_as_they_arrive(growing: Any) -> None:
    source = growing(b"abcd", length=100)
    assert Reader(source).buffered(64).read(4) == b"abcd"


def test_an_empty_read_is_the_proven_end(growing: Any) -> None:
    source = growing(b"abc")
    reader = Reader(source)
    assert reader.read(3) == b"abc"
    outcome = in_thread(lambda: reader.read(1))
    source.end()
    assert outcome.result(5) == b""


def test_unknown_length_is_not_seekable(growing: Any) -> None:
    source = growing(b"abc")
    reader = Reader(source)
    assert not reader.seekable()
    with pytest.raises(io.UnsupportedOperation):
        reader.seek(1)
    source.end()
    assert reader.seekable()
    assert reader.seek(-1, io.SEEK_END) == 2


def test_close_wakes_a_blocked_read_and_closes_the_source(growing: Any) -> None:
    source = growing(b"")
    reader = Reader(source)
    outcome = in_thread(lambda: reader.read(1))
    source.waiting.acquire()
    reader.close()
    with pytest.raises(Cancelled):
        outcome.result(5)
    assert source.closed
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.read(1)


def test_the_error_of_the_source_comes_out_as_it_is(growing: Any) -> None:
    source = growing(b"abc", length=9)
    error = ZeroDivisionError("of the network")
    source.fail(error)
    with pytest.raises(ZeroDivisionError) as caught:
        Reader(source).read(9)
    assert caught.value is error


def test_a_read_that_fails_leaves_the_position(growing: Any) -> None:
    source = growing(DATA * 3, length=20_000)
    source.fail(ZeroDivisionError("of the network"))
    reader = Reader(source)
    for size in (20_000, -1):
        with pytest.raises(ZeroDivisionError):
            reader.read(size)
        assert reader.tell() == 0
    assert reader.read(3000) == DATA


class FairLock:
    """A reentrant lock that whoever lets it go leaves to one who waits for it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._taken = threading.Condition()
        self._waiting = self._depth = 0

    def __enter__(self) -> None:
        with self._taken:
            self._waiting += 1
            self._taken.notify_all()
        self._lock.acquire()
        with self._taken:
            self._waiting -= 1
            self._depth += 1
            self._taken.notify_all()

    def __exit__(self, *_: object) -> None:
        with self._taken:
            self._depth -= 1
            left = self._depth == 0
            waiting = self._waiting
            self._lock.release()
            if left and waiting:
                self._taken.wait_for(lambda: self._waiting < waiting)


def test_reads_of_two_threads_do_not_interleave(growing: Any) -> None:
    source = growing(b"aa", length=8)
    reader: Any = Reader(source)
    reader._reading = lock = FairLock()
    first = in_thread(lambda: reader.read(4))
    while source.consumed < 2:
        source.waiting.acquire()
    second = in_thread(lambda: reader.read(4))
    with lock._taken:
        assert lock._taken.wait_for(lambda: lock._waiting > 0, 5)
    source.feed(b"a")
    while source.consumed < 3:
        source.waiting.acquire()
    source.feed(b"abbbb")
    assert first.result(5) == b"aaaa"
    assert second.result(5) == b"bbbb"


def test_seeking_before_the_start_is_refused(growing: Any) -> None:
    reader = Reader(growing(b"abc", length=3))
    with pytest.raises(ValueError, match="before the start"):
        reader.seek(-1)
    with pytest.raises(ValueError, match="whence"):
        reader.seek(0, 9)


def test_spans_are_files_of_their_own(growing: Any) -> None:
    source = growing(b"first")
    source.feed(b"second!", new_span=True)
    source.feed(b"3", new_span=True)
    source.end()
    spans = [(span.container, span.read()) for span in Reader(source).spans()]
    assert spans == [("at 0", b"first"), ("at 5", b"second!"), ("at 12", b"3")]


def test_what_was_not_read_of_a_span_is_skipped(growing: Any) -> None:
    source = growing(b"first")
    source.feed(b"second", new_span=True)
    source.end()
    assert [span.read(2) for span in Reader(source).spans()] == [b"fi", b"se"]


def test_a_span_ends_where_a_later_one_turns_out_to_begin(growing: Any) -> None:
    source = growing(b"first")
    spans = Reader(source).spans()
    outcome = in_thread(lambda: next(spans).read())
    source.feed(b" part")
    source.feed(b"second", new_span=True)
    assert outcome.result(5) == b"first part"
    source.end()
    assert next(spans).read() == b"second"


def test_a_wait_within_a_span_does_not_ask_for_the_next_one(growing: Any) -> None:
    asked = []

    class Watched(type(growing())):  # type: ignore[misc] # the fixture is a class
        def wait_range(self, start: int, stop: int, timeout: float | None = None) -> WaitOutcome:
            asked.append((start, stop))
            outcome: WaitOutcome = super().wait_range(start, stop, timeout)
            return outcome

    source = Watched(b"first")
    source.feed(b"second", new_span=True)
    source.end()
    spans = Reader(source).spans()
    span = next(spans)
    asked.clear()
    assert span._source.wait_range(1, 100) == "ready"
    assert asked == [(1, 5)]


def test_closing_the_reader_wakes_a_read_of_its_span(growing: Any) -> None:
    source = growing(b"abc", length=9)
    reader = Reader(source)
    spans = reader.spans()
    span = next(spans)
    outcome = in_thread(lambda: span.read(9))
    source.waiting.acquire()
    reader.close()
    with pytest.raises(Cancelled):
        outcome.result(5)


def test_closing_a_span_leaves_the_source_open(growing: Any) -> None:
    source = growing(b"abc", length=3)
    reader = Reader(source)
    for span in reader.spans():
        span.close()
    assert not source.closed


def test_wave_reads_a_raw_reader_of_odd_arrivals(growing: Any) -> None:
    made = io.BytesIO()
    with wave.open(made, "wb") as out:
        out.setparams((2, 2, 8000, 0, "NONE", "none"))
        out.writeframes(DATA[:2000])
    whole = made.getvalue()
    source = growing(length=len(whole))
    file: Any = Reader(source)

    def frames() -> bytes:
        with wave.open(file) as opened:
            return bytes(opened.readframes(500))

    outcome = in_thread(frames)
    for i in range(0, len(whole), 13):
        source.feed(whole[i : i + 13])
    assert outcome.result(5) == DATA[:2000]


def test_an_interrupted_read_leaves_the_position_and_can_be_done_again(growing: Any) -> None:
    source = growing(b"abc", length=6)
    reader = Reader(source)
    outcome = in_thread(lambda: reader.read(6))
    source.waiting.acquire()
    while source.consumed < 3:
        source.waiting.acquire()
    reader.interrupt()
    reader.interrupt()
    with pytest.raises(Interrupted) as caught:
        outcome.result(5)
    assert caught.value.recoverable
    assert reader.tell() == 0
    with pytest.raises(Interrupted):
        reader.read(1)
    source.feed(b"def")
    reader.proceed()
    reader.proceed()
    assert reader.read() == b"abcdef"


def test_a_read_of_a_span_is_interrupted_too(growing: Any) -> None:
    source = growing(b"abc", length=6)
    reader = Reader(source)
    spans = reader.spans()
    span = next(spans)
    assert span.read(2) == b"ab"
    source.waiting = threading.Semaphore(0)
    outcome = in_thread(lambda: span.read(4))
    source.waiting.acquire()
    span.interrupt()
    with pytest.raises(Interrupted):
        outcome.result(5)
    assert span.tell() == 2
    span.proceed()
    source.feed(b"def")
    assert span.read() == b"cdef"


def test_closing_comes_before_interrupting(growing: Any) -> None:
    source = growing(b"")
    source.interrupt()
    source.close()
    with pytest.raises(Cancelled):
        Reader(source).read(1)


def test_spans_begin_with_the_one_at_the_position(growing: Any) -> None:
    source = growing(b"first")
    source.feed(b"second", new_span=True)
    source.feed(b"third", new_span=True)
    source.end()
    reader = Reader(source)
    reader.seek(5)
    assert [span.read() for span in reader.spans()] == [b"second", b"third"]
    reader.seek(13)
    assert [span.read() for span in reader.spans()] == [b"third"]
    reader.seek(0, io.SEEK_END)
    assert list(reader.spans()) == []


def test_a_source_that_is_not_timed_answers_nothing(growing: Any) -> None:
    reader = Reader(growing(b"abc", length=3))
    assert reader.seek_time(1.0) is None
    assert reader.duration is None
    assert (reader.timeline, reader.seconds) == (0, None)
    reader.seek(0, io.SEEK_END)
    assert (reader.timeline, reader.seconds) == (0, None)
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.seek_time(1.0)


def timed(kind: Any) -> Any:
    """Three spans of ten seconds; where each is asked for, it is laid at the end once more."""

    class Timed(kind):  # type: ignore[misc] # the fixture is a class
        def __init__(self) -> None:
            super().__init__()
            self.times: dict[int, int] = {}

        @property
        def duration(self) -> float | None:
            return 30.0

        @property
        def silence_at_end(self) -> Fraction:
            return Fraction(3)

        def seek_time(self, seconds: float) -> SeekPoint:
            if self.interrupted:
                raise Interrupted("the source")
            index = min(int(seconds // 10), 2)
            offset = len(self._data)
            self.times[offset] = index
            self.feed(b"012"[index : index + 1] * 4, new_span=offset > 0)
            return SeekPoint(offset=offset, seconds=Fraction(index * 10))

        def span_at(self, offset: int) -> MediaSpan | None:
            span: MediaSpan | None = super().span_at(offset)
            if span is None:
                return None
            index = self.times[span.start]
            silence = Fraction(index)
            return replace(span, timeline=index, seconds=Fraction(index * 10), silence=silence)

    return Timed()


def test_a_timed_source_goes_on_where_it_says(growing: Any) -> None:
    source = timed(growing)
    assert isinstance(source, TimedSource)
    reader = Reader(source)
    assert reader.duration == 30.0
    assert reader.seek_time(25.0) == 20
    assert reader.seek_time(11.0) == 10
    assert reader.tell() == 4
    assert (reader.timeline, reader.seconds, reader.silence) == (1, Fraction(10), Fraction(1))
    assert reader.silence_at_end == 3
    spans = reader.spans()
    span = next(spans)
    assert (span.timeline, span.seconds, span.silence) == (1, Fraction(10), Fraction(1))
    assert span.read(4) == b"1111"


def test_a_seek_that_fails_moves_nothing(growing: Any) -> None:
    source = timed(growing)
    reader = Reader(source)
    reader.seek_time(25.0)
    reader.interrupt()
    with pytest.raises(Interrupted):
        reader.seek_time(11.0)
    assert reader.tell() == 0
    reader.proceed()
    assert reader.seek_time(11.0) == 10
