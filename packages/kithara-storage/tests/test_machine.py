"""Everything that can happen to a resource, in any order, against a model of bytes.

The invariant: no byte is ever returned that was not written at that place in that generation.
A longer run: `python packages/kithara-storage/tests/test_machine.py 50000` (examples).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from kithara_storage import (
    ContentMismatch,
    DiskWriter,
    Durability,
    ResourceStatus,
    StorageError,
    StorageFailed,
    StreamingResource,
)
from kithara_storage.testing import SimFs

T = TypeVar("T")
PATH = Path("/cache/a")
SIZE = 64
VERSIONS = {str(n): random.Random(n).randbytes(SIZE) for n in range(8)}
EXAMPLES, STEPS = 400, 40
steps: Counter[str] = Counter()


class Handle:
    """One opened resource, and the version whose bytes it may show."""

    def __init__(self, resource: StreamingResource) -> None:
        self.resource = resource

    @property
    def version(self) -> str | None:
        identity = self.resource.identity
        return None if identity is None else identity["etag"]


class StorageMachine(RuleBasedStateMachine):
    """Up to three handles on one path: the first leads, the others follow."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.fs = SimFs()
        self.writer = DiskWriter(max_pending_bytes=32).__enter__()
        self.handles: list[Handle] = []
        self.durability = Durability.DATA
        self.safe: set[int] = set()  # places that a barrier covers
        self.published: set[int] = set()  # by the leader, in its generation
        self.committed: str | None = None
        self.last_version = 0
        self.faulty = False  # what should be there may not be

    @initialize(durability=st.sampled_from(Durability), most=st.sampled_from([None, 1, 5]))
    def begin(self, durability: Durability, most: int | None) -> None:
        self.durability = durability
        self.fs.most = most
        self.open()

    def attempt(self, work: Coroutine[object, object, T]) -> T | StorageError:
        try:
            return self.runner.run(work)
        except StorageError as error:
            return error

    def check(self, handle: Handle) -> None:
        """Read all that is there, in both ways."""
        resource = handle.resource
        if resource.status is ResourceStatus.CLOSED:
            return
        at = 0
        while at < SIZE:
            version = handle.version
            try:
                data = resource.read_at(at, SIZE)
            except StorageFailed:
                data = b""
            if data and version == handle.version:  # a take-over may come between the two
                assert version is not None
                assert data == VERSIONS[version][at : at + len(data)]
            buffer = bytearray(SIZE)
            count = resource.try_read(at, buffer)
            if version is not None and version == handle.version:
                assert buffer[:count] == VERSIONS[version][at : at + count]
            at += max(1, len(data))

    def check_all(self, name: str) -> None:
        steps[name] += 1
        for handle in self.handles:
            self.check(handle)
        if self.committed is not None:
            assert self.fs.content(PATH) == VERSIONS[self.committed]

    @rule()
    def open(self) -> None:
        if len(self.handles) == 3:
            return
        try:
            resource = StreamingResource.open(
                PATH, self.writer, resume=True, fs=self.fs, durability=self.durability
            )
        except StorageError:
            assert self.faulty
            return
        self.handles.append(Handle(resource))
        self.check_all("open")

    def ready_leader(self, *, restart: bool = False) -> Handle | None:
        """The handle that may write, once it has said which version its bytes are."""
        if not self.handles:
            self.open()
        for handle in self.handles:
            resource = handle.resource
            if resource.status is not ResourceStatus.PARTIAL or resource.following:
                continue
            try:
                if handle.version is None or restart:
                    self.last_version = (self.last_version + 1) % len(VERSIONS)
                    resource.restart({"etag": str(self.last_version)})
                    self.safe.clear()
                    self.published.clear()
                elif not resource.confirmed:
                    resource.confirm()
            except StorageError:
                return None
            return handle
        return None

    @rule()
    def begin_anew(self) -> None:
        self.ready_leader(restart=True)
        self.check_all("begin anew")

    @rule()
    def evict(self) -> None:
        """Somebody removes the final file."""
        if self.committed is not None:
            for handle in self.handles:
                handle.resource.close()
            self.handles.clear()
            with contextlib.suppress(OSError):  # a fault hits it: then it may come back
                self.fs.fsync_dir(PATH.parent)
            self.fs.unlink(PATH)
            with contextlib.suppress(OSError):
                self.fs.fsync_dir(PATH.parent)
            self.committed = None
            self.safe.clear()
            self.published.clear()
            self.check_all("evict")

    @rule(offset=st.integers(0, SIZE - 1), size=st.integers(0, 24), flush=st.booleans())
    def write(self, offset: int, size: int, flush: bool) -> None:
        handle = self.ready_leader()
        if handle is None:
            return
        assert handle.version is not None
        data = VERSIONS[handle.version][offset : offset + size]
        result = self.attempt(handle.resource.write_at(offset, data))
        if flush and result is None:
            result = self.attempt(handle.resource.flush())
            if result is None:
                self.published.update(range(offset, offset + len(data)))
                assert handle.resource.wait_range(offset, offset + len(data), 10) == "ready"
        self.check_all("write")

    @rule(offset=st.integers(0, SIZE - 1))
    def write_something_else(self, offset: int) -> None:
        handle = self.ready_leader()
        if handle is None:
            return
        resource = handle.resource
        self.attempt(resource.flush())
        there = resource.read_at(offset, 1)
        if not there or resource.status is not ResourceStatus.PARTIAL:
            return
        self.attempt(resource.write_at(offset, bytes([there[0] ^ 1])))
        assert isinstance(self.attempt(resource.flush()), ContentMismatch) or self.faulty
        self.safe.clear()
        self.published.clear()
        self.check_all("mismatch")

    @rule()
    def barrier(self) -> None:
        handle = self.ready_leader()
        if handle is None:
            return
        known = set(self.published)
        result = self.attempt(handle.resource.barrier())
        if not isinstance(result, StorageError):
            if self.durability is not Durability.NONE:
                self.safe |= known
        elif handle.resource.status is ResourceStatus.FAILED:
            self.safe.clear()
        self.check_all("barrier")

    @rule()
    def fill_and_commit(self) -> None:
        handle = self.ready_leader()
        if handle is None:
            return
        version = handle.version
        assert version is not None
        self.attempt(handle.resource.write_at(0, VERSIONS[version]))
        if self.attempt(handle.resource.commit(SIZE)) is None:
            self.committed = version
        self.check_all("commit")

    @rule()
    def commit_with_holes(self) -> None:
        handle = self.ready_leader()
        if handle is not None and len(self.published) < SIZE:
            result = self.attempt(handle.resource.commit(SIZE))
            if result is None:
                self.committed = handle.version
        self.check_all("early commit")

    @rule(number=st.integers(0, 2))
    def close(self, number: int) -> None:
        if number >= len(self.handles):
            return
        self.handles.pop(number).resource.close()
        self.check_all("close")

    @rule()
    def take_over(self) -> None:
        """The leader goes; one of the others leads then, or it is complete."""
        for handle in [h for h in self.handles if not h.resource.following]:
            handle.resource.close()
            self.handles.remove(handle)
        for handle in self.handles[1:]:
            handle.resource.close()
        del self.handles[1:]
        if self.handles:
            result = self.attempt(asyncio.wait_for(self.handles[0].resource.lead(), 10))
            assert isinstance(result, (bool, StorageError))
        self.check_all("take over")

    @rule(call=st.sampled_from(["pwritev", "fdatasync", "fsync_dir", "rename", "ftruncate"]))
    def fault(self, call: str) -> None:
        """The next such call fails with EIO."""
        self.fs.fail_next(call)
        self.faulty = True
        self.check_all("fault")

    @rule(room=st.one_of(st.none(), st.integers(0, 200)))
    def room(self, room: int | None) -> None:
        self.fs.room = room
        self.faulty = True
        self.check_all("room")

    @rule(kill=st.booleans(), seed=st.integers(0, 2**32))
    def crash(self, kill: bool, seed: int) -> None:
        """Every process dies, or the power goes; then somebody looks again."""
        dice = random.Random(seed)
        disk = (
            self.fs.after_kill()
            if kill
            else self.fs.after_power_cut(lambda count: dice.randrange(count))
        )
        for handle in self.handles:
            handle.resource.close()
        self.handles.clear()
        self.writer.close()
        self.writer = DiskWriter(max_pending_bytes=32).__enter__()
        self.fs = disk
        self.fs.room = None
        faulty, self.faulty = self.faulty, False
        if self.committed is not None and not kill and self.durability is Durability.NONE:
            self.committed = None
        expected = self.published if kill else self.safe
        self.open()
        resource = self.handles[0].resource
        if self.committed is None and resource.status is ResourceStatus.PARTIAL:
            there = {at for at in range(SIZE) if resource.available(at)}
            if not faulty:
                assert expected <= there
            self.published = set(there)
            self.safe = set() if self.durability is Durability.NONE else self.safe & there
        elif self.committed is not None:
            assert resource.status is ResourceStatus.COMPLETE
        else:  # a commit that nobody was told of
            self.committed = self.handles[0].version
        self.check_all("kill" if kill else "power cut")

    def teardown(self) -> None:
        for handle in self.handles:
            handle.resource.close()
        self.writer.close()
        self.runner.close()


def run(examples: int, *, derandomize: bool = True) -> None:
    steps.clear()
    run_state_machine_as_test(
        StorageMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=derandomize,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],  # threads: a smaller example may not fail
        ),
    )


def test_everything_in_any_order() -> None:
    run(EXAMPLES)
    assert steps.total() >= 10_000
    assert len(steps) > 12


if __name__ == "__main__":
    run(int(sys.argv[1]), derandomize=False)
    print(steps.total(), "steps")  # noqa: T201  # a longer run says how long it was
