"""The store that everything lies in, and where it lies if nobody says."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from kithara_assets import AssetId, DiskAssetStore, EvictConfig, asset_store


def default_cache() -> Path:
    """The platform's folder for caches, for this user and Kithara. It need not exist yet."""
    return user_cache_path("kithara", appauthor=False)


def cache(
    root: str | os.PathLike[str] | None = None, config: EvictConfig | None = None
) -> DiskAssetStore:
    """Open the cache itself: what is in it, pins, eviction, verification.

    A context manager. Hand it to `open`, `aopen`, `fetch` and `decode` as `store`, for any number
    of tracks at a time. `config` holds the caps; without one the cache stays below 4 GiB. Raises
    what `kithara_assets.asset_store` raises.
    """
    return asset_store(default_cache() if root is None else root, config)


def asset_name(url: str) -> str:
    """The name under which a URL lies in the cache: what `pin`, `delete_asset` and others take.

    Query and fragment do not count. Raises `kithara_assets.InvalidUrl`.
    """
    return AssetId.from_url(url).asset_root
