"""HLS VOD: playlists, keys and segments as one readable, cached stream."""

from kithara_assets import CacheDegraded

from ._abr import AbrController
from ._abr_estimate import PathMemory
from ._abr_meter import Transfer, TransferMeter
from ._abr_protocol import (
    AbrDecision,
    AbrPolicy,
    AbrSettings,
    AbrState,
    AbrVariant,
    CanAbandon,
    CanFlush,
    DownloadProgress,
    DownloadSample,
    Estimate,
)
from ._abr_rules import BolaRule, FixedRule, ThroughputRule
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
from ._offline import Completion, FetchProgress
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
    "Completion",
    "FetchProgress",
    "Variant",
    "Rendition",
    # choosing variants
    "AbrController",
    "AbrSettings",
    "AbrPolicy",
    "CanAbandon",
    "CanFlush",
    "AbrState",
    "AbrVariant",
    "AbrDecision",
    "DownloadSample",
    "DownloadProgress",
    "Estimate",
    "PathMemory",
    "Transfer",
    "TransferMeter",
    "ThroughputRule",
    "BolaRule",
    "FixedRule",
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
    "CacheDegraded",
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
