"""One resource against a plain model: a dict of bytes in which the first write wins."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kithara_storage import (
    DiskWriter,
    LengthMismatch,
    ResourceIncomplete,
    ResourceStatus,
    StreamingResource,
)

T = TypeVar("T")
END = 48
offsets = st.integers(0, END)


class Broken(Exception):
    pass


class ResourceMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.writer = DiskWriter(max_pending_bytes=16).__enter__()
        self.final: bytes | None = None
        self.resource: StreamingResource | None = None

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.runner.run(work)

    @initialize()
    def open(self) -> None:
        self.resource = StreamingResource.open(self.folder / "a", self.writer)
        self.there = dict(enumerate(self.final or b""))
        self.length = len(self.final) if self.final else None
        self.complete = bool(self.final)
        self.failure: Broken | None = None

    @property
    def open_resource(self) -> StreamingResource:
        assert self.resource is not None
        return self.resource

    def run_from(self, start: int) -> bytes:
        out = bytearray()
        while start + len(out) in self.there:
            out.append(self.there[start + len(out)])
        return bytes(out)

    @rule(offset=offsets, data=st.binary(max_size=24), flush=st.booleans())
    def write(self, offset: int, data: bytes, flush: bool) -> None:
        places = range(offset, offset + len(data))
        try:
            self.run(self.open_resource.write_at(offset, data))
        except LengthMismatch:
            assert self.length is not None
            assert places.stop > self.length
        except Broken as error:
            assert error is self.failure
            assert any(place not in self.there for place in places)
        else:
            assert self.length is None or places.stop <= self.length
            for place, byte in zip(places, data, strict=True):
                self.there.setdefault(place, byte)
        if flush:
            self.flush()

    @rule()
    def flush(self) -> None:
        try:
            self.run(self.open_resource.flush())
        except Broken as error:
            assert error is self.failure
        else:
            assert self.failure is None

    @rule(total=st.integers(0, END + 24))
    def set_length(self, total: int) -> None:
        fits = total == self.length or (
            self.length is None and all(place < total for place in self.there)
        )
        try:
            self.open_resource.set_length(total)
        except LengthMismatch:
            assert not fits
        else:
            assert fits
            self.length = total

    @precondition(lambda self: self.failure is None and not self.complete)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        top = max(self.there, default=-1) + 1
        length = top if self.length is None else self.length
        length = data.draw(st.sampled_from([length, length, length + 1]))
        try:
            self.run(self.open_resource.commit(length))
        except ResourceIncomplete as error:
            hole = min(place for place in range(length) if place not in self.there)
            assert error.hole[0] == hole
        except LengthMismatch:
            assert self.length not in {None, length}
        else:
            self.length = length
            self.complete = True
            self.final = bytes(self.there[place] for place in range(length))
            assert (self.folder / "a").read_bytes() == self.final

    @precondition(lambda self: not self.complete)
    @rule()
    def fail(self) -> None:
        error = Broken()
        self.open_resource.fail(error)
        self.failure = self.failure or error

    @rule(offset=offsets, size=st.integers(0, 30))
    def read(self, offset: int, size: int) -> None:
        expected = self.run_from(offset)
        buffer = bytearray(size)
        count = self.open_resource.read_into(offset, buffer)
        assert expected.startswith(buffer[:count])  # perhaps not all of it is published yet
        assert not any(buffer[count:])

    @rule(start=offsets, size=st.integers(0, 30))
    def wait(self, start: int, size: int) -> None:
        stop = start + size if self.length is None else min(start + size, self.length)
        outcome: str
        try:
            asked = self.open_resource.wait_range_async(start, start + size, 0.02)
            outcome = self.run(asked)
        except TimeoutError:
            outcome = "timeout"
        except Broken as error:
            assert error is self.failure
            outcome = "failed"
        missing = "timeout" if self.failure is None else "failed"
        if size and self.length is not None and start >= self.length:
            assert outcome == "eof"
        elif len(self.run_from(start)) >= stop - start:
            assert outcome in {"ready", "timeout"}  # a slow disk may need longer than the deadline
        else:
            assert outcome == missing

    @rule()
    def reopen(self) -> None:
        self.open_resource.close()
        self.open()

    @invariant()
    def the_status_is_right(self) -> None:
        if self.resource is None:
            return
        expected = ResourceStatus.PARTIAL if self.failure is None else ResourceStatus.FAILED
        assert self.resource.status is (ResourceStatus.COMPLETE if self.complete else expected)
        assert self.resource.length == self.length

    def teardown(self) -> None:
        if self.resource is not None:
            self.resource.close()
        self.writer.close()
        left = sorted(path.name for path in self.folder.iterdir())
        assert left == ([] if self.final is None else ["a"])
        shutil.rmtree(self.folder)
        self.runner.close()


TestResource = ResourceMachine.TestCase
TestResource.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
