"""HLS VOD: playlists, keys and segments as one readable, cached stream."""

from ._errors import (
    HlsError,
    KeyInvalid,
    NoVariant,
    PlaylistInvalid,
    PlaylistLimit,
    SegmentInvalid,
    SegmentLost,
    UnsupportedHls,
    VariantMissing,
)
from ._events import (
    BufferLevel,
    FailedOver,
    HlsEvent,
    KeyFetched,
    PlaylistLoaded,
    SegmentComplete,
    SegmentRetried,
    SegmentSkipped,
    SegmentStarted,
    SessionEnded,
    SessionFailed,
    ThroughputSample,
    TimeSought,
    VariantApplied,
    VariantSelected,
)
from ._options import HlsOptions, KeyContext, KeyProcessor
from ._playlist import Rendition, Variant
from ._session import HlsSession
from ._source import HlsSource

__all__ = (
    # opening
    "HlsSource",
    "HlsOptions",
    "HlsSession",
    "KeyProcessor",
    # facts
    "KeyContext",
    "Variant",
    "Rendition",
    # events
    "HlsEvent",
    "PlaylistLoaded",
    "VariantSelected",
    "VariantApplied",
    "KeyFetched",
    "SegmentStarted",
    "SegmentComplete",
    "SegmentRetried",
    "FailedOver",
    "SegmentSkipped",
    "TimeSought",
    "BufferLevel",
    "ThroughputSample",
    "SessionEnded",
    "SessionFailed",
    # errors
    "HlsError",
    "PlaylistInvalid",
    "PlaylistLimit",
    "UnsupportedHls",
    "VariantMissing",
    "KeyInvalid",
    "SegmentInvalid",
    "SegmentLost",
    "NoVariant",
)
