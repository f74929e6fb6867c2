"""One resource against a plain model: a dict of bytes."""

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
    StorageError,
    StreamingResource,
)

T = TypeVar("T")
END = 48
CONTENT = bytes(range(100, 100 + END + 24))
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

    def attempt(self, work: Coroutine[object, object, T]) -> T | Exception:
        """What comes of it; an error of the resource is a result too."""
        try:
            return self.runner.run(work)
        except (StorageError, Broken, TimeoutError) as error:
            return error

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

    @rule(offset=offsets, size=st.integers(0, 24), flush=st.booleans())
    def write(self, offset: int, size: int, flush: bool) -> None:
        data = CONTENT[offset : offset + size]
        places = range(offset, offset + len(data))
        result = self.attempt(self.open_resource.write_at(offset, data))
        if self.length is not None and places.stop > self.length:
            assert isinstance(result, LengthMismatch)
            return
        if result is None:
            for place, byte in zip(places, data, strict=True):
                self.there.setdefault(place, byte)
        else:
            assert result is self.failure
        if flush:
            self.flush()

    @rule()
    def flush(self) -> None:
        assert self.attempt(self.open_resource.flush()) is self.failure

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
        result = self.attempt(self.open_resource.commit(length))
        hole = [place for place in range(length) if place not in self.there]
        if self.length not in {None, length}:
            assert isinstance(result, LengthMismatch)
        elif hole:
            assert isinstance(result, ResourceIncomplete)
            assert result.hole[0] == hole[0]
        else:
            assert result is None
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
        asked = self.open_resource.wait_range_async(start, start + size, 0.02)
        result = self.attempt(asked)
        if size and self.length is not None and start >= self.length:
            assert result == "eof"
        elif len(self.run_from(start)) >= stop - start:
            # a slow disk may need longer than the deadline
            assert result == "ready" or isinstance(result, TimeoutError)
        elif self.failure is None:
            assert isinstance(result, TimeoutError)
        else:
            assert result is self.failure

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
