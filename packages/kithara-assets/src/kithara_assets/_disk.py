"""The lowest layer: one folder for each asset, one file for each resource."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kithara_storage import (
    AtomicResource,
    DiskWriter,
    FsOps,
    ResourceStatus,
    StorageFailed,
    StreamingResource,
)

from ._errors import StoreClosed, UnsafePath
from ._key import ResourceKey

_FEW = 16


class DiskAssets:
    """Assets as plain files below one folder; owns the thread that writes them."""

    def __init__(self, root: str, fs: FsOps) -> None:
        self._root = root
        self._fs = fs
        self._lock = threading.Lock()
        self._closed = False
        self._stack = contextlib.ExitStack()
        self._writer = self._stack.enter_context(DiskWriter())
        # Not the loop's own threads: readers may block in all of them.
        self._aside = self._stack.enter_context(ThreadPoolExecutor(2, "kithara-atomic"))
        self.still_open: list[StreamingResource] = []  # and some that were closed since
        self._forget_at = _FEW

    def open_atomic_resource(self, key: ResourceKey) -> AtomicResource:
        """Open a resource that is read and written whole; touches nothing on disk yet."""
        with self._lock:
            self._check_open()
        return AtomicResource(self._path(key), fs=self._fs, executor=self._aside)

    def open_streaming_resource(
        self, key: ResourceKey, *, resume: bool = False
    ) -> StreamingResource:
        """Open a resource that is read while it is written."""
        path = self._path(key)
        with self._lock:
            self._check_open()
            try:
                resource = StreamingResource.open(path, self._writer, resume=resume, fs=self._fs)
            except StorageFailed as error:
                if error.errno == errno.ELOOP:
                    raise UnsafePath(path=Path(path)) from error
                raise
            self.still_open.append(resource)
            if len(self.still_open) > self._forget_at:
                self.still_open[:] = filter(_is_open, self.still_open)
                self._forget_at = 2 * len(self.still_open) + _FEW
        return resource

    def close(self) -> None:
        """Close every resource that is still open, then end the thread; idempotent."""
        with self._lock:
            self._closed = True
            left = list(self.still_open)
            self.still_open.clear()
        for resource in left:
            resource.close()
        self._stack.close()

    def _path(self, key: ResourceKey) -> str:
        return os.sep.join((self._root, key.asset_root, *key.rel_path.split("/")))

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed


def _is_open(resource: StreamingResource) -> bool:
    return resource.status is not ResourceStatus.CLOSED
