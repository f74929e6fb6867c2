"""What can go wrong with an HLS source, by what the caller can do about it."""

from ._urls import redacted

__all__ = (
    "HlsError",
    "KeyInvalid",
    "NoVariant",
    "PlaylistInvalid",
    "PlaylistLimit",
    "SegmentInvalid",
    "SegmentLost",
    "UnsupportedHls",
    "VariantMissing",
)


class HlsError(Exception):
    """Base of everything that kithara_hls raises itself.

    ``url`` names the resource (without user-info and query). ``recoverable`` is true where
    opening the source again may work without any change.
    """

    recoverable: bool = False

    def __init__(self, message: str, *, url: str) -> None:
        super().__init__(message)
        self.url = redacted(url)


class PlaylistInvalid(HlsError):
    """Raised when what came is not a playlist, or breaks a rule that decides about bytes.

    ``line`` is the number of the line at fault, from 1; None if it is the whole that is wrong.
    """

    def __init__(self, reason: str, *, url: str, line: int | None = None) -> None:
        where = f", line {line}" if line is not None else ""
        super().__init__(f"invalid playlist {redacted(url)}{where}: {reason}", url=url)
        self.reason = reason
        self.line = line


class UnsupportedHls(HlsError):
    """Raised when a playlist is valid, but needs ``feature``, which this package does not have."""

    def __init__(self, feature: str, reason: str, *, url: str) -> None:
        super().__init__(f"{feature} is not supported: {reason} ({redacted(url)})", url=url)
        self.feature = feature
        self.reason = reason


class PlaylistLimit(HlsError):
    """Raised when a playlist exceeds a limit of ``HlsOptions``: raise ``option`` if it is right."""

    def __init__(self, option: str, limit: int, *, url: str) -> None:
        super().__init__(
            f"playlist {redacted(url)} exceeds HlsOptions.{option}={limit}; "
            "raise the limit if the playlist is meant to be so large",
            url=url,
        )
        self.option = option
        self.limit = limit


class VariantMissing(HlsError):
    """Raised when the variant asked for does not exist: there are ``count``."""

    def __init__(self, index: int, count: int, *, url: str) -> None:
        super().__init__(
            f"variant {index} of {redacted(url)} does not exist: choose 0 to {count - 1}", url=url
        )
        self.index = index
        self.count = count


class KeyInvalid(HlsError):
    """Raised when a key has not 16 bytes (AES-256: 32), fetched twice; nothing was cached.

    ``length`` is what it had instead, ``segment_url`` the first part that needs it.
    """

    recoverable = True

    def __init__(self, *, url: str, segment_url: str, length: int, expected: int = 16) -> None:
        super().__init__(
            f"key {redacted(url)} for {redacted(segment_url)} has {length} bytes, not {expected}; "
            "the key server may want credentials, or key_processor may be wrong",
            url=url,
        )
        self.segment_url = redacted(segment_url)
        self.length = length


class SegmentInvalid(HlsError):
    """Raised when a segment or init section is not what the playlist and its key promise.

    ``key_url`` is None where the part is not encrypted.
    """

    recoverable = True

    def __init__(self, reason: str, *, url: str, key_url: str | None = None) -> None:
        key = f" with key {redacted(key_url)}" if key_url is not None else ""
        super().__init__(f"segment {redacted(url)}{key}: {reason}", url=url)
        self.reason = reason
        self.key_url = redacted(key_url) if key_url is not None else None


class SegmentLost(HlsError):
    """Raised when a segment cannot be had, neither from its variant nor from another one.

    ``index`` counts segments from 0; ``start`` and ``duration`` are its seconds by the playlist.
    ``__cause__`` is why the last attempt failed, None for a gap that the playlist tells.
    """

    def __init__(
        self, *, url: str, index: int, start: float, duration: float, cause: Exception | None
    ) -> None:
        self.recoverable = bool(getattr(cause, "recoverable", False))
        if cause is None:
            reason = "is a gap that the playlist tells (EXT-X-GAP), and no other variant fills it"
        else:
            reason = f"cannot be had, nor another in its place; the last try: {cause}"
        super().__init__(
            f"segment {index} ({start:g} to {start + duration:g} s) {reason}",
            url=url,
        )
        self.index = index
        self.start = start
        self.duration = duration


class NoVariant(HlsError):
    """Raised when the limits of ``HlsOptions.abr`` leave no variant to play."""

    def __init__(self, *, url: str, count: int) -> None:
        super().__init__(
            f"none of the {count} variants of {redacted(url)} is allowed; widen max_bitrate or "
            "allowed_codecs of HlsOptions.abr",
            url=url,
        )
        self.count = count
