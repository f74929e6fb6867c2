"""The store as a whole: its layers, and what a user does with a cache."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path
from types import TracebackType

from kithara_storage import AtomicResource, StreamingResource

from ._assets import Assets
from ._disk import DiskAssets
from ._errors import StoreClosed, UnsafePath, UnusableRoot
from ._evict import EvictAssets
from ._evictor import Evictor
from ._key import ResourceKey, check_asset_root
from ._lease import LeaseAssets
from ._leased import LeasedFs
from ._leases import Lease
from ._locks import locks_hold
from ._models import EvictConfig, Removed
from ._root import claim

_log = logging.getLogger("kithara_assets")


def asset_store(root: str | os.PathLike[str], config: EvictConfig | None = None) -> DiskAssetStore:
    """Open the cache in a folder; makes it if it is missing or empty.

    `config` says how large it may grow; by default as `EvictConfig()` does. The result owns
    threads: use it in a `with` block, or close it. Raises `ForeignRoot` if
    the folder holds something else or belongs to another user, `FormatTooNew` if a newer version
    made it, `UnusableRoot` if the system refuses.
    """
    return DiskAssetStore(root, config)


class DiskAssetStore:
    """Assets in one folder on disk, as plain files; made by `asset_store`.

    Any thread may use it, and several processes may share the folder. A context manager. A forked
    child cannot use it: it opens its own.
    """

    def __init__(self, root: str | os.PathLike[str], config: EvictConfig | None = None) -> None:
        try:
            self._root = claim(Path(root))
        except OSError as error:
            raise UnusableRoot(root=Path(root), errno=error.errno) from error
        locks = locks_hold(self._root)
        if not locks:
            _log.warning(
                "%s: locks do not reach every user of this folder; nothing that was used in the "
                "last hour is evicted, and one machine should write at a time",
                self._root.name,
            )
        self._evictor = Evictor(self._root, config or EvictConfig(), locks=locks)
        self._leases = self._evictor.leases
        self._fs = LeasedFs(self._root, self._leases, self._evictor)
        disk = DiskAssets(self._root, self._fs)
        self._open = disk.still_open
        self._assets: Assets = LeaseAssets(EvictAssets(disk, self._evictor), self._leases)
        self._closed = False

    def __enter__(self) -> DiskAssetStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<DiskAssetStore {self._root.name}{' closed' if self._closed else ''}>"

    @property
    def root(self) -> Path:
        """The folder, symbolic links in its own path resolved."""
        return self._root

    def open_atomic_resource(self, key: ResourceKey) -> AtomicResource:
        """Open a resource that is read and written whole; touches nothing on disk yet.

        Raises `StoreClosed`.
        """
        return self._assets.open_atomic_resource(key)

    def open_streaming_resource(
        self, key: ResourceKey, *, resume: bool = False
    ) -> StreamingResource:
        """Open a resource that is read while it is written: COMPLETE if it is here, else PARTIAL.

        The caller closes it; one that is still open is closed with the store. Opening a key twice
        gives two resources, each with its own bytes until one of them is committed. With `resume`
        they share one part, which is kept when it is closed: the first leads, what is there waits
        for `confirm` or `restart`, others follow (see `StreamingResource.open`). Its asset is
        leased until it is closed. Raises `StoreClosed`, `UnsafePath`, and the errors of
        `StreamingResource.open`.
        """
        return self._assets.open_streaming_resource(key, resume=resume)

    def lease(self, asset_root: str) -> Lease:
        """Keep an asset in place, in every process, until the lease is closed.

        Open resources do so by themselves; this is for what happens between two of them. An asset
        that is not there may be leased too. Raises `InvalidKey`, `StoreClosed`, `UnsafePath`,
        `UnusableRoot`.
        """
        check_asset_root(asset_root)
        if self._closed:
            raise StoreClosed
        try:
            held = self._leases.acquire(asset_root, make=True)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise UnsafePath(path=self._root / asset_root) from error
            raise UnusableRoot(root=self._root, errno=error.errno) from error
        assert held is not None
        return Lease(self._leases, asset_root, held)

    def evict(self) -> Removed:
        """Look at the disk and keep the caps now; what was taken away for it. Blocks.

        The store does so by itself, while it is written and when it is closed.
        """
        if self._closed:
            raise StoreClosed
        return self._evictor.evict()

    def close(self) -> None:
        """Close every resource that is still open, then end the threads; idempotent.

        Blocks until the bytes that were accepted are dealt with. Leases taken by `lease` go on
        until they are closed.
        """
        self._closed = True
        self._assets.close()
