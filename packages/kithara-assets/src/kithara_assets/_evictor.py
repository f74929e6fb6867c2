"""Keeping a cache within its caps: what is too much, what goes first, and when to look."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ._index import Index
from ._leases import Held, LeaseTable
from ._models import MIB, EvictConfig, Removed
from ._removal import Outcome, Remover
from ._rooted import RootedFs
from ._snapshot import Snapshot, load, save
from ._survey import measure, now, reconcile

_BATCH = 1024
_STALE_SECONDS = 60.0
_GROWING_SECONDS = 1.0  # a file system notes a time in its journal, which waits for its syncs
_REST_SECONDS = 1.0
_CLOSE_SECONDS = 2.0
_SHARE = 20
_SECOND = 1_000_000


class Evictor:
    """Watches the size of one root from a thread of its own and evicts, least recently used first.

    What others do with the root is learnt by comparing with the disk: in the background after the
    start, and before anything is evicted on facts of more than a minute ago.
    """

    def __init__(self, root: Path, config: EvictConfig, *, locks: bool) -> None:
        self.index = Index()
        self.leases = LeaseTable(root, removed=self.index.forget, written=self.released)
        self.fs = RootedFs(root)
        self.remover = Remover(root, self.fs, self.leases, locks=locks)
        self._root = root
        self._config = config
        self._as_of = 0
        self._reconciled = -_STALE_SECONDS  # monotonic
        self._loaded = False
        self._since_look = 0
        self._since_reconcile = 0
        self._rest_until = 0.0
        self._working = threading.RLock()  # held by whoever surveys or evicts
        self._wake = threading.Condition()
        self._wanted = False
        self._stopping = False
        self._urgent = False
        self._thread = threading.Thread(target=self._run, name="kithara-evictor", daemon=True)
        self._thread.start()

    def touch(self, asset_root: str) -> None:
        """An asset is used now."""
        if asset_root not in self.index:
            self.index.grow(asset_root, 0)  # it is to be measured
        self.index.touch(asset_root, now())

    def grew(self, asset_root: str, held: Held, count: int) -> None:
        """`count` bytes were written into an asset; looks at the caps for each MiB."""
        self.index.grow(asset_root, count)
        self._since_look += count
        if self._since_look >= MIB:
            self._since_reconcile += self._since_look
            self._since_look = 0
            if time.time() - held.touched > _GROWING_SECONDS:
                self.leases.touch(held)  # so that others see that it grows
            self.look()

    def released(self, asset_root: str) -> None:
        """An asset that was written is not used any more."""
        if asset_root in self.index:
            self.index.grow(asset_root, 0)
            self._rest_until = 0.0  # one more may go
            self.look()

    def look(self) -> None:
        """Evict soon if a cap is filled to its high watermark. Any thread; costs microseconds."""
        if self._wanted:
            return
        if self._is_over(self._config.high_watermark) or self._is_stale():
            with self._wake:
                self._wanted = True
                self._wake.notify()

    def evict(self) -> Removed:
        """Compare with the disk, keep the caps, and delete what was taken. Blocks."""
        with self._working:
            self._survey(_never)
            removed = self._evict(wait=True)
            self.remover.empty_trash(_never)
        return removed

    def make_room(self, count: int) -> None:
        """The disk is full: evict whatever may go, `count` bytes and some more."""
        self._urgent = True  # whoever surveys now lets us in
        with self._working:
            self._urgent = False
            self._measure_grown()  # only what was measured can be taken
            goal = max(count, 16 * MIB)
            self._take_while(lambda taken: taken.bytes < goal, wait=True)
            self.remover.empty_trash(_never)

    def survey(self) -> None:
        """Compare with the disk. Blocks."""
        with self._working:
            self._survey(_never)

    def remove(self, asset_root: str, *, pinned: bool) -> tuple[Outcome, Removed]:
        """Remove one asset because the user wants so, and delete it. Blocks."""
        with self._working:
            size = measure(os.fspath(self._root / asset_root))
            outcome = self.remover.take(asset_root, pinned=pinned)
            if outcome in (Outcome.TAKEN, Outcome.GONE):
                self.index.forget(asset_root)
        if outcome is Outcome.TAKEN:
            return outcome, Removed(assets=1, bytes=size)
        return outcome, Removed()

    def close(self) -> None:
        """End the thread, keep the caps once more, note what is known; idempotent."""
        with self._wake:
            if self._stopping:
                return
            self._stopping = True
            self._wake.notify()
        self._thread.join()
        if self._is_over(self._config.high_watermark):
            until = time.monotonic() + _CLOSE_SECONDS
            self._keep_caps(lambda: time.monotonic() > until)
        if self.index.changed and self._as_of:
            self._measure_grown()
            save(self.fs, self._root, Snapshot(self._as_of, self.index.numbers()))

    def _run(self) -> None:
        with self._working:
            self._load()
            self._survey(self._stops)
        self._keep_caps(self._stops)
        while self._next_look():
            self._keep_caps(self._stops)

    def _stops(self) -> bool:
        return self._stopping or self._urgent

    def _next_look(self) -> bool:
        """Wait until somebody wants the caps to be kept; False at the end."""
        age = self._config.max_age
        every = None if age is None else min(max(age / 10, 60.0), 3600.0)
        with self._wake:
            while not self._stopping:
                rest = self._rest_until - time.monotonic()
                if self._wanted and rest <= 0:
                    break
                if not self._wake.wait(rest if self._wanted else every) and not self._wanted:
                    break
            self._wanted = False
            return not self._stopping

    def _keep_caps(self, stop: Callable[[], bool]) -> None:
        with self._working:
            if self._is_stale():
                self._survey(stop)
            else:
                self._measure_grown()
            self._evict(wait=False)
            self.remover.empty_trash(stop)
        if self._is_over(self._config.high_watermark):
            self._rest_until = time.monotonic() + _REST_SECONDS  # all that is left is in use
            self._wanted = True

    def _load(self) -> None:
        found = load(self.fs, self._root)
        if found is not None:
            self.index.adopt(found.numbers)
            self._as_of = found.as_of

    def _survey(self, stop: Callable[[], bool]) -> None:
        begun = now()
        fresh = self._as_of == 0
        if fresh:
            self._as_of = begun  # what is not reached is unknown, and will be measured
        if reconcile(self._root, self.index, 0 if fresh else self._as_of, stop, self._gone):
            self._as_of = begun
            self._reconciled = time.monotonic()
            self._since_reconcile = 0
            self.remover.find_trash()
        self._measure_grown()

    def _is_stale(self) -> bool:
        cap = self._config.max_bytes
        if cap is not None and self._since_reconcile * _SHARE > cap:
            return True  # others may have written as much
        return (
            self._is_over(self._config.high_watermark)
            and time.monotonic() - self._reconciled > _STALE_SECONDS
        )

    def _measure_grown(self) -> None:
        for asset_root in self.index.growing():
            size = measure(os.fspath(self._root / asset_root))
            if size:
                self.index.measured(asset_root, self.index.used(asset_root) or now(), size)
            else:
                self._gone(asset_root)

    def _gone(self, asset_root: str) -> None:
        """Forget an asset that was not found, unless it came into being since."""
        with self.leases.unused(asset_root) as unused:
            if unused and not os.path.lexists(self._root / asset_root):
                self.index.forget(asset_root)

    def _is_over(self, level: float) -> bool:
        config = self._config
        return (
            (config.max_bytes is not None and self.index.bytes > config.max_bytes * level)
            or (config.max_assets is not None and len(self.index) > config.max_assets * level)
            or self._lacks_free(Removed(), 1.0)
        )

    def _lacks_free(self, taken: Removed, margin: float) -> bool:
        if self._config.min_free_bytes is None or not hasattr(os, "statvfs"):
            return False
        try:
            disk = os.statvfs(self._root)
        except OSError:
            return False
        wanted = min(self._config.min_free_bytes, disk.f_blocks * disk.f_frsize // 10)
        return disk.f_bavail * disk.f_frsize + taken.bytes < wanted * margin

    def _excess(self, taken: Removed) -> bool:
        """Whether more must go to reach the low watermark. What was taken is out of the index."""
        config = self._config
        low = config.low_watermark
        return (
            (config.max_bytes is not None and self.index.bytes > config.max_bytes * low)
            or (config.max_assets is not None and len(self.index) > config.max_assets * low)
            or self._lacks_free(taken, 1.1)
        )

    def _evict(self, *, wait: bool) -> Removed:
        """Take away what is too much, and what is too old."""
        over = self._is_over(self._config.high_watermark)
        if not over and not self._has_older():
            return Removed()
        return self._take_while(lambda taken: over and self._excess(taken), wait=wait)

    def _take_while(self, more: Callable[[Removed], bool], *, wait: bool) -> Removed:
        """Take the least recently used while `more` says so, and whatever is too old."""
        taken = Removed()
        with self.remover.alone(wait=wait) as alone:
            passed: set[str] = set()
            while alone and (names := self._candidates(passed)):
                for asset_root in names:
                    if not self._is_old(asset_root) and not more(taken):
                        return taken
                    taken = self._take(asset_root, taken, passed)
        return taken

    def _is_old(self, asset_root: str) -> bool:
        age = self._config.max_age
        return age is not None and now() - self.index.used(asset_root) > age * _SECOND

    def _has_older(self) -> bool:
        return self._config.max_age is not None and any(map(self._is_old, self.index.oldest(1)))

    def _candidates(self, passed: set[str]) -> list[str]:
        names = self.index.oldest(len(passed) + _BATCH)
        return [name for name in names if name not in passed]

    def _take(self, asset_root: str, taken: Removed, passed: set[str]) -> Removed:
        size, used = self.index.size(asset_root), self.index.used(asset_root)
        outcome = self.remover.take(asset_root, unused_since=used)
        if outcome is Outcome.USED and asset_root not in passed:
            # Its turn comes again in the order of what is on the disk.
            self.index.measured(asset_root, last_use(self._root, asset_root), size)
            return taken
        if outcome in (Outcome.TAKEN, Outcome.GONE):
            self.index.forget(asset_root)
            if outcome is Outcome.TAKEN:
                return Removed(assets=taken.assets + 1, bytes=taken.bytes + size)
            return taken
        passed.add(asset_root)
        return taken


def last_use(root: Path, asset_root: str) -> int:
    """When an asset was used last, by its folder."""
    try:
        return os.stat(root / asset_root, follow_symlinks=False).st_mtime_ns // 1000
    except OSError:
        return 0


def _never() -> bool:
    return False
