"""The store as a whole: its layers, and what a user does with a cache."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from kithara_storage import AtomicResource, StreamingResource

from ._assets import Assets
from ._contents import completeness
from ._disk import DiskAssets
from ._errors import AssetInUse, StoreClosed, UnsafePath, UnusableRoot
from ._evict import EvictAssets
from ._evictor import Evictor
from ._key import ResourceKey, check_asset_root
from ._lease import LeaseAssets
from ._leased import LeasedFs
from ._leases import Lease
from ._locks import locks_hold
from ._models import AssetFacts, Completeness, EvictConfig, Removed, Usage, Verification
from ._pins import Pins
from ._removal import Outcome
from ._root import claim
from ._survey import assets_below, measure
from ._verify import verify

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
        self._pins = Pins(self._root, self._evictor.fs)
        self._fs = LeasedFs(self._root, self._leases, self._evictor)
        self._disk = DiskAssets(os.fspath(self._root), self._fs)
        evicting = EvictAssets(self._disk, self._evictor)
        self._assets: Assets = LeaseAssets(evicting, self._leases)
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
        self._check_open()
        with self._refusals():
            held = self._leases.acquire(asset_root, make=True)
        assert held is not None
        return Lease(self._leases, asset_root, held)

    def evict(self) -> Removed:
        """Look at the disk and keep the caps now; what was taken away for it. Blocks.

        The store does so by itself, while it is written and when it is closed.
        """
        self._check_open()
        return self._evictor.evict()

    def pin(self, asset_root: str, needs: Iterable[str] = ()) -> None:
        """Keep an asset offline: it is not evicted until `unpin` or `delete_asset`.

        Durable when this returns, and good for an asset that is yet to come. `needs` are the
        relative paths that make it whole, for `is_complete`; pinning again replaces them. Raises
        `InvalidKey`, `StoreClosed`, `UnusableRoot` if it cannot be written.
        """
        self._check_open()
        check_asset_root(asset_root)
        with self._refusals():
            held = self._leases.acquire(asset_root, make=False)  # nobody is evicting it now
            try:
                self._pins.add(asset_root, needs)
            finally:
                if held is not None:
                    self._leases.release(asset_root, held)

    def unpin(self, asset_root: str) -> bool:
        """Let an asset be evicted again; whether it was pinned. Raises as `pin`."""
        self._check_open()
        check_asset_root(asset_root)
        with self._refusals():
            return self._pins.remove(asset_root)

    def pins(self) -> tuple[str, ...]:
        """Every pinned asset, sorted; also one that is not here (yet)."""
        self._check_open()
        return tuple(self._pins.names())

    def is_complete(self, asset_root: str) -> Completeness:
        """Whether everything of an asset is here, and what is missing. Raises as `pin`."""
        self._check_open()
        check_asset_root(asset_root)
        return completeness(self._root / asset_root, self._pins.needs(asset_root))

    def assets(self) -> tuple[AssetFacts, ...]:
        """Every asset that is here, the least recently used first. Looks at every file."""
        self._check_open()
        self._evictor.survey()
        pinned = set(self._pins.names())
        found = []
        for asset_root, facts in assets_below(self._root):
            used = max(self._evictor.index.used(asset_root) / 1e6, facts.st_mtime)
            found.append(
                AssetFacts(
                    asset_root=asset_root,
                    bytes=measure(str(self._root / asset_root)),
                    last_use=used,
                    pinned=asset_root in pinned,
                    leased=self._evictor.remover.is_leased(asset_root),
                    complete=bool(self.is_complete(asset_root)),
                )
            )
        return tuple(sorted(found, key=lambda asset: asset.last_use))

    def usage(self) -> Usage:
        """What the cache takes. Looks at what changed since it looked last."""
        self._check_open()
        self._evictor.survey()
        index = self._evictor.index
        free = shutil.disk_usage(self._root).free
        pinned = sum(name in index for name in self._pins.names())
        return Usage(bytes=index.bytes, assets=len(index), pinned=pinned, free=free)

    def delete_asset(self, asset_root: str) -> Removed:
        """Remove an asset and its pin; nothing happens if it is not here.

        Raises `AssetInUse` if anybody uses it, `InvalidKey`, `StoreClosed`, `UnusableRoot` if the
        system refuses.
        """
        self._check_open()
        check_asset_root(asset_root)
        outcome, removed = self._evictor.remove(asset_root, pinned=True)
        if outcome is Outcome.LEASED:
            raise AssetInUse(asset_root=asset_root)
        if outcome is Outcome.STUCK:
            raise UnusableRoot(root=self._root, errno=None)
        with self._refusals():
            self._pins.remove(asset_root)
        self._evictor.remover.empty_trash(lambda: False)
        return removed

    def clear(self, *, pinned: bool = False) -> Removed:
        """Remove every asset that nobody uses; pinned ones, and their pins, only if asked to."""
        self._check_open()
        assets = size = 0
        for asset_root in [name for name, _ in assets_below(self._root)]:
            outcome, removed = self._evictor.remove(asset_root, pinned=pinned)
            assets, size = assets + removed.assets, size + removed.bytes
            if pinned and outcome is Outcome.TAKEN:
                with self._refusals():
                    self._pins.remove(asset_root)
        self._evictor.remover.empty_trash(lambda: False)
        return Removed(assets=assets, bytes=size)

    def verify(self) -> Verification:
        """Read every complete file, and drop what nobody may believe. Blocks.

        Dropped are files whose bytes or length are not those of their record, empty ones, links
        and other things that are no files; they count as missing then. A file without a record
        (a playlist, a key, what was written without `resume`) only has to have bytes. Others may
        use the cache meanwhile.
        """
        self._check_open()
        found = verify(self._root, self._disk, self._fs, self._leases)
        self._evictor.survey()
        return found

    def close(self) -> None:
        """Close every resource that is still open, then end the threads; idempotent.

        Blocks until the bytes that were accepted are dealt with. Leases taken by `lease` go on
        until they are closed.
        """
        self._closed = True
        self._assets.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise UnsafePath(path=self._root) from error
            raise UnusableRoot(root=self._root, errno=error.errno) from error
