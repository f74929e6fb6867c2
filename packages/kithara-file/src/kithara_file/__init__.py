"""One progressive URL: play while it downloads, seek anywhere, keep the bytes."""

from kithara_assets import CacheDegraded

from ._errors import FileError, NotMedia, Unreadable
from ._events import (
    Changed,
    Complete,
    Connected,
    Failed,
    FileEvent,
    HoleFilled,
    MediaKnown,
    Progress,
    SeekServed,
)
from ._options import FileOptions
from ._session import FileSession
from ._source import FileSource
from ._sync import SyncFileSession

__all__ = (
    # the source and its session
    "FileSource",
    "FileSession",
    "SyncFileSession",
    "FileOptions",
    # events
    "FileEvent",
    "Connected",
    "MediaKnown",
    "Progress",
    "SeekServed",
    "HoleFilled",
    "CacheDegraded",
    "Changed",
    "Complete",
    "Failed",
    # errors
    "FileError",
    "NotMedia",
    "Unreadable",
)
