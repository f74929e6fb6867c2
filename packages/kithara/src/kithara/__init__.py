"""Audio URLs as PCM while the bytes arrive; kept on disk, played again offline."""

from _kithara._cache import asset_name, cache, default_cache
from kithara_decode import Loss, PcmChunk, PcmSpec, StreamStats
from kithara_hls import HlsOptions
from kithara_stream import TransferStats

from ._errors import ERRORS, InvalidUrl, KitharaError, NoVariants
from ._events import Events, TrackEvent
from ._open import aopen, decode, fetch, open
from ._report import Report
from ._session import Kind
from ._track import Track

__all__ = (
    # the front door
    "open",
    "aopen",
    "decode",
    "fetch",
    "Track",
    "Kind",
    # the cache
    "cache",
    "asset_name",
    "default_cache",
    # what a track yields and tells
    "PcmChunk",
    "PcmSpec",
    "TransferStats",
    "StreamStats",
    "Loss",
    "Events",
    "TrackEvent",
    "Report",
    # what can be said about HLS
    "HlsOptions",
    # errors
    "KitharaError",
    "InvalidUrl",
    "NoVariants",
    "ERRORS",
)
