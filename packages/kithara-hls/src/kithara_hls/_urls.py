"""URLs of a playlist: resolving them, and showing them without secrets."""

import re
from typing import Final
from urllib.parse import urldefrag, urljoin, urlsplit, urlunsplit

_PLAIN_NAME: Final = re.compile(r"[\w%=-][\w.%=-]*", re.ASCII)

__all__ = ("canonical", "redacted", "resolve")


def resolve(base: str, reference: str) -> str:
    """Resolve ``reference`` against the URL of the playlist it stands in; no fragment is kept."""
    if _PLAIN_NAME.fullmatch(reference) and base.count("/") > 2 and "?" not in base:
        return base[: base.rindex("/") + 1] + reference  # most segments, ten times faster
    return urldefrag(urljoin(base, reference)).url


def redacted(url: str) -> str:
    """Show ``url`` without user-info, query and fragment; only the scheme if it is not http(s)."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return f"{parts.scheme}:…" if parts.scheme else "…"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def canonical(url: str) -> tuple[str, str, str]:
    """What tells two URLs apart when tokens do not count: scheme, host with port, path."""
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.rpartition("@")[2].lower(), parts.path
