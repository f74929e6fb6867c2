"""What can go wrong with many resources, by what a caller can do about it."""

from __future__ import annotations

import os
from pathlib import Path

from ._url import redact


class AssetsError(Exception):
    """Base of every error of this package; `recoverable` says whether trying again can work."""

    recoverable: bool = False


class InvalidUrl(AssetsError):
    """Raised when an asset cannot be identified by a URL; `reason` says why.

    `url` is without user-info, query and fragment.
    """

    def __init__(self, *, url: str, reason: str) -> None:
        self.url = redact(url)
        self.reason = reason
        super().__init__(f"{self.url!r} names no asset ({reason}); give an absolute URL")


class InvalidKey(AssetsError):
    """Raised when a key could not be a path that is safe everywhere; `reason` says why."""

    def __init__(self, *, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(
            f"{name!r} is not a safe name ({reason}); make names with encode_path and AssetId"
        )


class ForeignRoot(AssetsError):
    """Raised when a folder is not a cache of ours; `reason` says why. Nothing in it changed."""

    def __init__(self, *, root: Path, reason: str) -> None:
        self.root = root
        self.reason = reason
        super().__init__(f"{root.name!r} {reason}; give an empty folder or a cache of your own")


class FormatTooNew(ForeignRoot):
    """Raised when a newer version of this package made the cache; `version` is its format."""

    def __init__(self, *, root: Path, version: int) -> None:
        self.version = version
        super().__init__(root=root, reason=f"has format {version}, which is newer than this")


class UnusableRoot(AssetsError):
    """Raised when the system refuses to make or open the cache folder; `errno` says why."""

    def __init__(self, *, root: Path, errno: int | None) -> None:
        self.root = root
        self.errno = errno
        reason = os.strerror(errno) if errno is not None else "unknown reason"
        super().__init__(
            f"{root.name!r} cannot be a cache folder ({reason}); check its disk and permissions"
        )


class UnsafePath(AssetsError):
    """Raised when a symbolic link stands where the cache keeps a file or a folder of its own."""

    def __init__(self, *, path: Path) -> None:
        self.path = path
        super().__init__(
            f"a symbolic link is in the way of {path.name!r}; remove it, the cache follows none"
        )


class AssetInUse(AssetsError):
    """Raised when an asset is to be deleted that is leased, in this process or another."""

    recoverable = True

    def __init__(self, *, asset_root: str) -> None:
        self.asset_root = asset_root
        super().__init__(f"{asset_root} is in use; close what uses it, then delete it again")


class StoreClosed(AssetsError):
    """Raised when a store is used after its close."""

    def __init__(self) -> None:
        super().__init__("the store is closed; open it again with asset_store")


class OfflineMiss(AssetsError):
    """Raised when something is needed offline that is not in the cache.

    `url` is where it would come from, without user-info, query and fragment; `missing` says
    what is not there.
    """

    recoverable = True

    def __init__(self, *, url: str, missing: str) -> None:
        self.url = redact(url)
        self.missing = missing
        super().__init__(f"{self.url}: {missing} is not in the cache; go online to fetch it")
