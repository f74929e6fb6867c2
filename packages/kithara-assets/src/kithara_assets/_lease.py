"""The layer that keeps an asset in place while somebody uses it."""

from __future__ import annotations

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
        try:
            held = self._leases.acquire(key.asset_root, make=False)
        except OSError:
            held = None  # what is below meets the same, and says what it means
        try:
            return self._assets.open_streaming_resource(key, resume=resume)
        finally:
            if held is not None:
                self._leases.release(key.asset_root, held)

    def close(self) -> None:
        """Close the layer below."""
        self._assets.close()
