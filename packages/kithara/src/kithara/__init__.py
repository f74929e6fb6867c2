"""Audio URLs as PCM while the bytes arrive; kept on disk, played again offline."""

from kithara_decode import PcmChunk, PcmSpec
from kithara_stream import TransferStats

from ._cache import default_cache
from ._errors import ERRORS, InvalidUrl, KitharaError
from ._open import aopen, fetch, open
from ._session import Kind
from ._track import Track

__all__ = (
    # the front door
    "open",
    "aopen",
    "fetch",
    "Track",
    "Kind",
    "default_cache",
    # what a track yields and tells
    "PcmChunk",
    "PcmSpec",
    "TransferStats",
    # errors
    "KitharaError",
    "InvalidUrl",
    "ERRORS",
)
