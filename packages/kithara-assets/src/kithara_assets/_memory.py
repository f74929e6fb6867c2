"""The same store with no disk."""

from __future__ import annotations

from types import TracebackType

from kithara_storage import AtomicResource, MemoryFs, StreamingResource

from ._disk import DiskAssets
from ._key import ResourceKey


class MemoryAssetStore:
    """Assets in the memory of this process, for those who want no cache.

    Keeps everything until it is closed; has no caps, no pins, and needs no leases. A context
    manager that owns the threads that write.
    """

    def __init__(self) -> None:
        self._assets = DiskAssets("memory", MemoryFs())

    def __enter__(self) -> MemoryAssetStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def open_atomic_resource(self, key: ResourceKey) -> AtomicResource:
        """Open a resource that is read and written whole. Raises `StoreClosed`."""
        return self._assets.open_atomic_resource(key)

    def open_streaming_resource(
        self, key: ResourceKey, *, resume: bool = False
    ) -> StreamingResource:
        """Open a resource that is read while it is written. Raises `StoreClosed`."""
        return self._assets.open_streaming_resource(key, resume=resume)

    def close(self) -> None:
        """Close every resource that is still open, and forget all; idempotent."""
        self._assets.close()
