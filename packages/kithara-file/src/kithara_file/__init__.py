"""One progressive URL: play while it downloads, seek anywhere, keep the bytes."""

from ._errors import FileError, NotMedia
from ._events import Changed, Complete, Connected, Failed, FileEvent, Progress
from ._options import FileOptions
from ._session import FileSession
from ._source import FileSource

__all__ = (
    # the source and its session
    "FileSource",
    "FileSession",
    "FileOptions",
    # events
    "FileEvent",
    "Connected",
    "Progress",
    "Changed",
    "Complete",
    "Failed",
    # errors
    "FileError",
    "NotMedia",
)
