"""The layer that notes what is used, so that what is used least goes first."""

from __future__ import annotations

from kithara_storage import AtomicResource, StreamingResource

from ._assets import Assets
from ._evictor import Evictor
from ._key import ResourceKey


class EvictAssets:
    """Assets of another layer, kept within caps by an evictor."""

    def __init__(self, assets: Assets, evictor: Evictor) -> None:
        self._assets = assets
        self._evictor = evictor

    def open_atomic_resource(self, key: ResourceKey) -> AtomicResource:
        """Open a resource; that is a use if there is such an asset."""
        resource = self._assets.open_atomic_resource(key)
        if key.asset_root in self._evictor.index:
            self._evictor.touch(key.asset_root)
        return resource

    def open_streaming_resource(
        self, key: ResourceKey, *, resume: bool = False
    ) -> StreamingResource:
        """Open a resource; that is a use of its asset."""
        resource = self._assets.open_streaming_resource(key, resume=resume)
        self._evictor.touch(key.asset_root)
        return resource

    def close(self) -> None:
        """Close the layer below, then end the evictor."""
        self._assets.close()
        self._evictor.close()
