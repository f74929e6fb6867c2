"""One resource on disk that can be read while it is written."""

from ._atomic import AtomicResource
from ._errors import (
    ContentMismatch,
    DiskFull,
    GenerationReplaced,
    LengthMismatch,
    NotWritable,
    ResourceClosed,
    ResourceIncomplete,
    ResourceMissing,
    StorageError,
    StorageFailed,
    WriterClosed,
)
from ._fs import FsOps
from ._memory import MemoryFs
from ._models import Durability, Identity, ResourceStatus, WaitOutcome
from ._ranges import RangeSet
from ._streaming import StreamingResource
from ._waiters import CancelToken
from ._writer import DiskWriter

__all__ = (
    # resources
    "AtomicResource",
    "StreamingResource",
    "DiskWriter",
    # facts
    "CancelToken",
    "Durability",
    "Identity",
    "RangeSet",
    "ResourceStatus",
    "WaitOutcome",
    # the seam to the system
    "FsOps",
    "MemoryFs",
    # errors
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
    "WriterClosed",
)  # fmt: skip
