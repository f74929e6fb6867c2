"""The cache folder itself: whose it is, and of which format."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ._errors import ForeignRoot, FormatTooNew
from ._rooted import RootedFs

INDEX = "_index"

_TAG = "CACHEDIR.TAG"
_TAG_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"  # of the tag's specification
_TAG_TEXT = _TAG_SIGNATURE + b"\n# This folder is a cache of kithara; backups may leave it out.\n"
_FORMAT = "format"
_MAGIC = "kithara cache, format "
_VERSION = 1


def claim(root: Path) -> Path:
    """Make sure that a folder is a cache of ours, of a format that we know."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    root = root.resolve()
    if hasattr(os, "geteuid") and root.stat().st_uid != os.geteuid():
        raise ForeignRoot(root=root, reason="belongs to another user")
    fs = RootedFs(root)
    marker = root / INDEX / _FORMAT
    if fs.stat(root / INDEX) is not None and fs.stat(marker) is not None:
        if _is_known(root, read_small(fs, marker)):
            return root
        if not _has_our_tag(fs, root):
            raise ForeignRoot(root=root, reason="has a format mark that is not ours")
    elif not _is_blank(fs, root) and not _has_our_tag(fs, root):
        raise ForeignRoot(root=root, reason="is not empty and not a cache of ours")
    root.chmod(0o700)
    write_small(fs, root / _TAG, _TAG_TEXT)
    write_small(fs, marker, f"{_MAGIC}{_VERSION}\n".encode())
    return root


def _is_known(root: Path, text: bytes) -> bool:
    """Whether a format mark is sound; raises if it is one of a newer version."""
    line = text.decode("ascii", "replace").removesuffix("\n")
    version = line.removeprefix(_MAGIC)
    if not line.startswith(_MAGIC) or not version.isdecimal():
        return False
    if int(version) > _VERSION:
        raise FormatTooNew(root=root, version=int(version))
    return True


def _has_our_tag(fs: RootedFs, root: Path) -> bool:
    """Whether the folder is ours though its format mark is lost or damaged."""
    return fs.is_file(fs.stat(root / _TAG)) and read_small(fs, root / _TAG) == _TAG_TEXT


def _is_blank(fs: RootedFs, root: Path) -> bool:
    """Whether a folder is empty, or was left by a start of ours that was cut short."""
    ours = f"{_TAG}.", f"{_FORMAT}."
    for name in fs.names(root):
        if name == INDEX:
            if any(not left.startswith(ours) for left in fs.names(root / INDEX)):
                return False
        elif name == _TAG:
            if not read_small(fs, root / _TAG).startswith(_TAG_SIGNATURE):
                return False
        elif not name.startswith(ours):
            return False
    return True


def read_small(fs: RootedFs, path: Path, limit: int = 256) -> bytes:
    """Read the beginning of a file."""
    fd = fs.open(path, os.O_RDONLY)
    try:
        buffer = bytearray(limit)
        return bytes(buffer[: fs.read_all(fd, memoryview(buffer), 0)])
    finally:
        fs.close(fd)


def write_small(fs: RootedFs, path: Path, data: bytes) -> None:
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
