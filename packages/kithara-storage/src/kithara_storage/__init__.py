"""One resource on disk that can be read while it is written."""

from kithara_storage._atomic import AtomicResource
from kithara_storage._errors import (
    DiskFull,
    LengthMismatch,
    ResourceClosed,
    ResourceIncomplete,
    ResourceMissing,
    StorageError,
    StorageFailed,
    WriterClosed,
)
from kithara_storage._fs import FsOps
from kithara_storage._models import Durability, ResourceStatus, WaitOutcome
from kithara_storage._ranges import RangeSet
from kithara_storage._streaming import StreamingResource
from kithara_storage._waiters import CancelToken
from kithara_storage._writer import DiskWriter

__all__ = (
    # resources
    "AtomicResource",
    "StreamingResource",
    "DiskWriter",
    # facts
    "CancelToken",
    "Durability",
    "RangeSet",
    "ResourceStatus",
    "WaitOutcome",
    # the seam to the system
    "FsOps",
    # errors
    "DiskFull",
    "LengthMismatch",
    "ResourceClosed",
    "ResourceIncomplete",
    "ResourceMissing",
    "StorageError",
    "StorageFailed",
    "WriterClosed",
)  # fmt: skip
