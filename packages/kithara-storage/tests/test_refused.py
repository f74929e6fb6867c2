"""Any one system call may be refused: nothing is held then, and whoever comes next goes on."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kithara_storage import DiskWriter, FsOps, ResourceStatus, StorageFailed, StreamingResource

DATA = bytes(range(200))
CALLS = (
    *("open", "close", "fstat", "stat", "names", "unlink", "rename", "preadv", "pread"),
    *("pwritev", "ftruncate", "fdatasync", "fsync_dir", "flock"),
)


class Refusing(FsOps):
    """Real calls; the one of a number is refused instead of made. `close` still closes."""

    number: int | None = None
    calls = 0

    def refuse(self) -> None:
        """Count one call, and refuse it if it is its turn."""
        self.calls += 1
        if self.calls - 1 == self.number:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def _refusable(call: str) -> Callable[..., object]:
    real = getattr(FsOps, call)

    def made(self: Refusing, *args: object) -> object:
        if call != "close":
            self.refuse()
        answer = real(self, *args)
        if call == "close":
            self.refuse()
        return answer

    return made


for _call in CALLS:
    setattr(Refusing, _call, _refusable(_call))


async def go_on(path: Path, fs: FsOps, version: str) -> None:
    """As a source does: what is there of that version is gone on with, of another given up."""
    with DiskWriter() as writer, StreamingResource.open(path, writer, resume=True, fs=fs) as found:
        assert not found.following
        if found.status is ResourceStatus.PARTIAL:
            if found.identity == {"etag": version}:
                found.confirm()
            else:
                found.restart({"etag": version})
            await found.write_at(0, DATA)
            await found.barrier()
            await found.commit(len(DATA))
        assert found.read_at(0, 1000) == DATA


@pytest.mark.parametrize("version", ["1", "2"])
async def test_a_refused_call_leaves_nothing_held(tmp_path: Path, version: str) -> None:
    fs = Refusing()
    fs.number = 0
    while fs.calls >= fs.number:
        path = tmp_path / f"{fs.number}"
        path.mkdir()
        with DiskWriter() as writer, StreamingResource.open(path / "a", writer, resume=True) as one:
            one.restart({"etag": "1"})
            await one.write_at(50, DATA[50:90])
        fs.calls = 0
        with contextlib.suppress(StorageFailed):
            await go_on(path / "a", fs, version)
        await go_on(path / "a", FsOps(), version)
        fs.number += 1
    assert fs.number > 30
