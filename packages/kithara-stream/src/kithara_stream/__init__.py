"""From an asynchronous producer to a synchronous file object.

Imports nothing of the other Kithara packages: they meet it through the protocols below.
"""

from ._cursor import Cursor, TransferStats
from ._errors import BodyEnded, Cancelled, StreamError
from ._events import EventChannel, Subscription
from ._fetcher import Fetcher
from ._loop import LoopThread
from ._media import MediaInfo, MediaSpan, sniff
from ._protocols import Origin, OriginBody, OriginHead, Sink, Source, WaitOutcome
from ._reader import Reader

__all__ = (
    # what a reader reads from
    "Source",
    "WaitOutcome",
    "MediaInfo",
    "MediaSpan",
    "sniff",
    # the file object
    "Reader",
    # what fills the bytes in
    "Fetcher",
    "Cursor",
    "TransferStats",
    "Origin",
    "OriginBody",
    "OriginHead",
    "Sink",
    # events, and a loop for synchronous users
    "EventChannel",
    "Subscription",
    "LoopThread",
    # errors
    "StreamError",
    "BodyEnded",
    "Cancelled",
)
