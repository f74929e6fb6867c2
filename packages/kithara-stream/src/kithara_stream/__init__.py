"""From an asynchronous producer to a synchronous file object.

Imports nothing of the other Kithara packages: they meet it through the protocols below.
"""

from ._cursor import Cursor, TransferStats
from ._errors import BodyEnded, Cancelled, Interrupted, StreamError
from ._events import EventChannel, Subscription
from ._fetcher import Fetcher
from ._loop import LoopThread
from ._media import MediaInfo, MediaSpan, SeekPoint, sniff
from ._protocols import Origin, OriginBody, OriginHead, Sink, Source, TimedSource, WaitOutcome
from ._reader import Reader
from ._turns import turn
from ._whole import to_the_end

__all__ = (
    # what a reader reads from
    "Source",
    "TimedSource",
    "SeekPoint",
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
    "turn",
    "to_the_end",
    # errors
    "StreamError",
    "BodyEnded",
    "Cancelled",
    "Interrupted",
)
