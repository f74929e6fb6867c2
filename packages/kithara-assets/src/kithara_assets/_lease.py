"""The layer that keeps an asset in place while somebody uses it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from kithara_storage import AtomicResource, StreamingResource

from ._assets import Assets
from ._key import ResourceKey
from ._leases import LeaseTable


class LeaseAssets:
    """Assets of another layer, leased from before a resource is looked for.

    Each open file of a resource holds the lease on (`LeasedFs`), so it ends with the last use of
    the last handle, and not before the writer thread has let go.
    """

    def __init__(self, assets: Assets, leases: LeaseTable) -> None:
        self._assets = assets
        self._leases = leases

    def open_atomic_resource(self, key: ResourceKey) -> AtomicResource:
        """Open a resource; it leases its asset during each operation."""
        return self._assets.open_atomic_resource(key)

    def open_streaming_resource(
        self, key: ResourceKey, *, resume: bool = False
    ) -> StreamingResource:
        """Open a resource; its asset is leased until it is closed."""
        with self._leased(key.asset_root):
            return self._assets.open_streaming_resource(key, resume=resume)

    def close(self) -> None:
        """Close the layer below."""
        self._assets.close()

    @contextlib.contextmanager
    def _leased(self, asset_root: str) -> Iterator[None]:
        try:
            held = self._leases.acquire(asset_root, make=False)
        except OSError:
            held = None  # what is below meets the same, and says what it means
        try:
            yield
        finally:
            if held is not None:
                self._leases.release(asset_root, held)
