"""A store for a user who goes on when the disk is full."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kithara_storage import AtomicResource, DiskFull, StreamingResource

from ._assets import Assets
from ._key import ResourceKey
from ._memory import MemoryAssetStore
from ._models import CacheDegraded


class SpillingAssets:
    """The resources of another store; what finds no room on its disk stays in memory.

    The store evicts first, and only what then finds no room is not kept: of a streaming resource
    it is in memory until that is closed, of an atomic one a write is dropped. `told` hears it
    once, from any thread, and must not block. `close` leaves the other store open.
    """

    def __init__(self, assets: Assets, told: Callable[[CacheDegraded], None]) -> None:
        self._assets = assets
        self._told = told
        self._degraded: DiskFull | None = None
        self._lock = threading.Lock()
        self._memory: MemoryAssetStore | None = None

    @property
    def below(self) -> Assets:
        """The other store."""
        return self._assets

    @property
    def degraded(self) -> DiskFull | None:
        """What was refused first; None while the disk had room for everything."""
        return self._degraded

    def open_atomic_resource(self, key: ResourceKey) -> AtomicResource:
        """Open a resource that is read and written whole."""
        resource = self._assets.open_atomic_resource(key)
        resource.spill(self._tell)
        return resource

    def open_streaming_resource(
        self, key: ResourceKey, *, resume: bool = False
    ) -> StreamingResource:
        """Open a resource that is read while it is written."""
        try:
            resource = self._assets.open_streaming_resource(key, resume=resume)
        except DiskFull as error:  # not even its empty file finds room
            self._tell(error)
            return self._in_memory().open_streaming_resource(key, resume=resume)
        resource.spill(self._tell)
        return resource

    def close(self) -> None:
        """Close what is in memory only; idempotent."""
        with self._lock:
            memory, self._memory = self._memory, None
        if memory is not None:
            memory.close()

    def _in_memory(self) -> MemoryAssetStore:
        with self._lock:
            if self._memory is None:
                self._memory = MemoryAssetStore()
            return self._memory

    def _tell(self, error: DiskFull) -> None:
        with self._lock:
            first = self._degraded is None
            if first:
                self._degraded = error
        if first:
            self._told(CacheDegraded(error=error))
