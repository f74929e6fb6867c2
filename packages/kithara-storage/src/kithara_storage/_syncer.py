"""The one thread that waits for the disk: barriers and commits, with one folder sync for many."""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

from ._fs import FsOps


class Work(Protocol):
    """Something that must wait for the disk."""

    fs: FsOps

    def run(self) -> str | None:
        """Do it; answer the folder that must be synced before it is done."""
        ...

    def done(self, error: OSError | None) -> None:
        """The folder was synced, or could not be; called once if `run` answered one."""
        ...

    def lose(self, error: BaseException) -> None:
        """The thread died: it will not be done."""
        ...


class Syncer:
    """Does work in order. What has gathered while the disk was busy shares its folder syncs."""

    def __init__(self) -> None:
        self._work = threading.Condition()
        self._queue: deque[Work] = deque()
        self._running = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._running = True
        self._thread = threading.Thread(target=self._run, name="kithara-disk-syncer", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> None:
        """Do some work after all that was submitted before."""
        with self._work:
            error = self._error
            if error is None:
                self._queue.append(work)
                self._work.notify()
        if error is not None:
            work.lose(error)

    def close(self) -> None:
        """Do what was submitted, end the thread and wait for it."""
        with self._work:
            self._running = False
            self._work.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        batch: list[Work] = []
        try:
            while batch := self._next_batch():
                self._do(batch)
                batch = []  # what is done is not kept alive by a thread that waits
        except BaseException as error:
            with self._work:
                self._error = error
                left = [*batch, *self._queue]
                self._queue.clear()
            for work in left:
                work.lose(error)
            raise

    def _next_batch(self) -> list[Work]:
        with self._work:
            while not self._queue and self._running:
                self._work.wait()
            batch = list(self._queue)
            self._queue.clear()
            return batch

    def _do(self, batch: list[Work]) -> None:
        folders: dict[tuple[int, str], list[Work]] = {}
        for work in batch:
            folder = work.run()
            if folder is not None:
                folders.setdefault((id(work.fs), folder), []).append(work)
        for (_, folder), group in folders.items():
            error = None
            try:
                group[0].fs.fsync_dir(folder)
            except OSError as failed:
                error = failed
            for work in group:
                work.done(error)
