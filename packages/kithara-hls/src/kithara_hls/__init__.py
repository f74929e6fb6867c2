"""HLS VOD: playlists, keys and segments as one readable, cached stream."""

from ._errors import (
    HlsError,
    KeyInvalid,
    PlaylistInvalid,
    PlaylistLimit,
    SegmentInvalid,
    UnsupportedHls,
    VariantMissing,
)
from ._events import (
    HlsEvent,
    KeyFetched,
    PlaylistLoaded,
    SegmentComplete,
    SegmentStarted,
    SessionEnded,
    SessionFailed,
    VariantSelected,
)
from ._options import HlsOptions
from ._playlist import Rendition, Variant
from ._session import HlsSession
from ._source import HlsSource

__all__ = (
    # opening
    "HlsSource",
    "HlsOptions",
    "HlsSession",
    # facts
    "Variant",
    "Rendition",
    # events
    "HlsEvent",
    "PlaylistLoaded",
    "VariantSelected",
    "KeyFetched",
    "SegmentStarted",
    "SegmentComplete",
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
)
