"""What every layer of the store is."""

from __future__ import annotations

from typing import Protocol

from kithara_storage import AtomicResource, StreamingResource

from ._key import ResourceKey


class Assets(Protocol):
    """Something that keeps the resources of many assets."""

    def open_atomic_resource(self, key: ResourceKey) -> AtomicResource:
        """Open a resource that is read and written whole."""
        ...

    def open_streaming_resource(
        self, key: ResourceKey, *, resume: bool = False
    ) -> StreamingResource:
        """Open a resource that is read while it is written; `resume` keeps what there is of it."""
        ...

    def close(self) -> None:
        """Close it and every resource still open."""
        ...
