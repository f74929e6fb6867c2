"""The cache tree: one folder for each asset, one file for each resource."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import threading
from pathlib import Path
from types import TracebackType
from typing import Protocol

from kithara_storage import (
    AtomicResource,
    DiskWriter,
    ResourceStatus,
    StorageFailed,
    StreamingResource,
)

from ._errors import ForeignRoot, FormatTooNew, StoreClosed, UnsafePath, UnusableRoot
from ._key import ResourceKey
from ._rooted import RootedFs

_TAG = "CACHEDIR.TAG"
_TAG_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"  # of the tag's specification
_TAG_TEXT = _TAG_SIGNATURE + b"\n# This folder is a cache; backups may leave it out.\n"
_INDEX = "_index"
_FORMAT = "format"
_MAGIC = "kithara cache, format "
_VERSION = 1


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


def asset_store(root: str | os.PathLike[str]) -> DiskAssetStore:
    """Open the cache in a folder; makes it if it is missing or empty.

    The result owns a thread: use it in a `with` block, or close it. Raises `ForeignRoot` if
    the folder holds something else or belongs to another user, `FormatTooNew` if a newer version
    made it, `UnusableRoot` if the system refuses.
    """
    return DiskAssetStore(root)


class DiskAssetStore:
    """Assets in one folder on disk, as plain files; made by `asset_store`.

    Any thread may use it, and several processes may share the folder. A context manager.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        try:
            self._root = _claim(Path(root))
        except OSError as error:
            raise UnusableRoot(root=Path(root), errno=error.errno) from error
        self._fs = RootedFs(self._root)
        self._lock = threading.Lock()
        self._open: list[StreamingResource] = []
        self._closed = False
        self._stack = contextlib.ExitStack()
        self._writer = self._stack.enter_context(DiskWriter())

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
        with self._lock:
            self._check_open()
        return AtomicResource(self._path(key), fs=self._fs)

    def open_streaming_resource(
        self, key: ResourceKey, *, resume: bool = False
    ) -> StreamingResource:
        """Open a resource that is read while it is written: COMPLETE if it is here, else PARTIAL.

        The caller closes it; one that is still open is closed with the store. Opening a key twice
        gives two resources, each with its own bytes until one of them is committed. With `resume`
        they share one part, which is kept when it is closed: the first leads, what is there waits
        for `confirm` or `restart`, others follow (see `StreamingResource.open`). Raises
        `StoreClosed`, `UnsafePath`, and the errors of `StreamingResource.open`.
        """
        path = self._path(key)
        with self._lock:
            self._check_open()
            try:
                resource = StreamingResource.open(path, self._writer, resume=resume, fs=self._fs)
            except StorageFailed as error:
                if error.errno == errno.ELOOP:
                    raise UnsafePath(path=path) from error
                raise
            self._open = [
                known for known in self._open if known.status is not ResourceStatus.CLOSED
            ]
            self._open.append(resource)
        return resource

    def close(self) -> None:
        """Close every resource that is still open, then end the thread; idempotent.

        Blocks until the bytes that were accepted are dealt with.
        """
        with self._lock:
            self._closed = True
            left = self._open
            self._open = []
        for resource in left:
            resource.close()
        self._stack.close()

    def _path(self, key: ResourceKey) -> Path:
        return self._root / key.asset_root / key.rel_path

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed


def _claim(root: Path) -> Path:
    """Make sure that a folder is a cache of ours, of a format that we know."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    root = root.resolve()
    if hasattr(os, "geteuid") and root.stat().st_uid != os.geteuid():
        raise ForeignRoot(root=root, reason="belongs to another user")
    fs = RootedFs(root)
    marker = root / _INDEX / _FORMAT
    if fs.stat(root / _INDEX) is not None and fs.stat(marker) is not None:
        _check_format(root, _read(fs, marker))
        return root
    if not _is_blank(fs, root):
        raise ForeignRoot(root=root, reason="is not empty and not a cache of ours")
    root.chmod(0o700)
    _write(fs, root / _TAG, _TAG_TEXT)
    _write(fs, marker, f"{_MAGIC}{_VERSION}\n".encode())
    return root


def _check_format(root: Path, text: bytes) -> None:
    line = text.decode("ascii", "replace").removesuffix("\n")
    version = line.removeprefix(_MAGIC)
    if not line.startswith(_MAGIC) or not version.isdecimal():
        raise ForeignRoot(root=root, reason="has a format mark that is not ours")
    if int(version) > _VERSION:
        raise FormatTooNew(root=root, version=int(version))


def _is_blank(fs: RootedFs, root: Path) -> bool:
    """Whether a folder is empty, or was left by a start of ours that was cut short."""
    ours = f"{_TAG}.", f"{_FORMAT}."
    for name in fs.names(root):
        if name == _INDEX:
            if any(not left.startswith(ours) for left in fs.names(root / _INDEX)):
                return False
        elif name == _TAG:
            if not _read(fs, root / _TAG).startswith(_TAG_SIGNATURE):
                return False
        elif not name.startswith(ours):
            return False
    return True


def _read(fs: RootedFs, path: Path) -> bytes:
    fd = fs.open(path, os.O_RDONLY)
    try:
        buffer = bytearray(256)
        return bytes(buffer[: fs.read_all(fd, memoryview(buffer), 0)])
    finally:
        fs.close(fd)


def _write(fs: RootedFs, path: Path, data: bytes) -> None:
    """Put a small file in place whole, on the disk before this returns."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    fd = fs.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        fs.write_all(fd, (memoryview(data),), 0)
        fs.fdatasync(fd)
        fs.rename(temporary, path)
    finally:
        fs.close(fd)
    fs.fsync_dir(path.parent)
