"""Many resources on disk: asset identities, keys and the cache tree."""

from kithara_storage import (
    AtomicResource,
    CancelToken,
    ContentMismatch,
    DiskFull,
    GenerationReplaced,
    Identity,
    LengthMismatch,
    NotWritable,
    ResourceClosed,
    ResourceIncomplete,
    ResourceMissing,
    ResourceStatus,
    StorageError,
    StorageFailed,
    StreamingResource,
    WaitOutcome,
)

from ._assets import Assets
from ._errors import (
    AssetInUse,
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
from ._key import AssetId, ResourceKey
from ._leases import Lease
from ._memory import MemoryAssetStore
from ._models import (
    AssetFacts,
    CacheDegraded,
    Completeness,
    EvictConfig,
    Removed,
    Usage,
    Verification,
)
from ._names import encode_path
from ._spilling import SpillingAssets
from ._store import DiskAssetStore, asset_store

__all__ = (
    # the store
    "asset_store",
    "DiskAssetStore",
    "MemoryAssetStore",
    "SpillingAssets",
    "CacheDegraded",
    "Assets",
    "EvictConfig",
    "Removed",
    "AssetFacts",
    "Completeness",
    "Usage",
    "Verification",
    "Lease",
    # names
    "AssetId",
    "ResourceKey",
    "encode_path",
    # what a store opens, as kithara_storage defines it
    "AtomicResource",
    "StreamingResource",
    "CancelToken",
    "Identity",
    "ResourceStatus",
    "WaitOutcome",
    # errors
    "AssetsError",
    "AssetInUse",
    "ForeignRoot",
    "FormatTooNew",
    "InvalidKey",
    "InvalidUrl",
    "OfflineMiss",
    "StoreClosed",
    "UnsafePath",
    "UnusableRoot",
    # errors of kithara_storage
    "ContentMismatch",
    "DiskFull",
    "GenerationReplaced",
    "LengthMismatch",
    "NotWritable",
    "ResourceClosed",
    "ResourceIncomplete",
    "ResourceMissing",
    "StorageError",
    "StorageFailed",
)
