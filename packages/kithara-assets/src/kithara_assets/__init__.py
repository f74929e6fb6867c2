"""Many resources on disk: asset identities, keys and the cache tree."""

from kithara_assets._errors import (
    AssetsError,
    ForeignRoot,
    FormatTooNew,
    InvalidKey,
    InvalidUrl,
    OfflineMiss,
    StoreClosed,
    UnsafePath,
    UnusableRoot,
)
from kithara_assets._key import AssetId, ResourceKey
from kithara_assets._names import encode_path
from kithara_assets._store import Assets, DiskAssetStore, asset_store

__all__ = (
    # the store
    "asset_store",
    "DiskAssetStore",
    "Assets",
    # names
    "AssetId",
    "ResourceKey",
    "encode_path",
    # errors
    "AssetsError",
    "ForeignRoot",
    "FormatTooNew",
    "InvalidKey",
    "InvalidUrl",
    "OfflineMiss",
    "StoreClosed",
    "UnsafePath",
    "UnusableRoot",
)
