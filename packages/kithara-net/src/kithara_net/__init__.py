"""HTTP byte ranges that are what was asked for, or a typed error."""

import logging

from kithara_net._client import HttpClient
from kithara_net._errors import (
    BadResponse,
    BodyCorrupt,
    BodyEncoded,
    BodyTooLarge,
    BodyTruncated,
    ConnectFailed,
    ConnectionLost,
    ContentChanged,
    InvalidUrl,
    NetClosed,
    NetError,
    RangeMismatch,
    RangeNotSatisfiable,
    RedirectRefused,
    TimedOut,
    UnexpectedStatus,
)
from kithara_net._models import (
    FetchedBytes,
    NetOptions,
    RangeSpec,
    ResponseHead,
    RetryPolicy,
    Validator,
)
from kithara_net._protocols import ByteStream, Net
from kithara_net._retry import RetryNet
from kithara_net._signing import NetRequest, Sign
from kithara_net._timeout import TimeoutNet
from kithara_net._trace import (
    BytesReceived,
    Connected,
    DnsResolved,
    FirstByte,
    Resumed,
    Retried,
    Trace,
    TraceEvent,
)

__all__ = (
    # fetching
    "HttpClient",
    "RetryNet",
    "TimeoutNet",
    "Net",
    "ByteStream",
    # facts
    "FetchedBytes",
    "NetOptions",
    "RangeSpec",
    "ResponseHead",
    "RetryPolicy",
    "Validator",
    # signing
    "NetRequest",
    "Sign",
    # measuring
    "Trace",
    "TraceEvent",
    "DnsResolved",
    "Connected",
    "FirstByte",
    "BytesReceived",
    "Retried",
    "Resumed",
    # errors: base, address, connection
    "NetError",
    "InvalidUrl",
    "NetClosed",
    "ConnectFailed",
    "ConnectionLost",
    "TimedOut",
    # errors: answer
    "BadResponse",
    "RedirectRefused",
    "UnexpectedStatus",
    "RangeNotSatisfiable",
    "RangeMismatch",
    # errors: body
    "BodyCorrupt",
    "BodyEncoded",
    "BodyTooLarge",
    "BodyTruncated",
    "ContentChanged",
)

# Silent unless the application asks to hear of retries.
logging.getLogger("kithara_net").addHandler(logging.NullHandler())
