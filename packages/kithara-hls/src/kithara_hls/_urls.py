"""URLs of a playlist: resolving them, and showing them without secrets."""

import re
from base64 import b64decode
from hashlib import sha256
from typing import Final
from urllib.parse import unquote_to_bytes, urldefrag, urljoin, urlsplit, urlunsplit

_PLAIN_NAME: Final = re.compile(r"[\w%=-][\w.%=-]*", re.ASCII)

__all__ = ("canonical", "inline_bytes", "redacted", "resolve")


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
    """What tells two URLs apart when tokens do not count: scheme, host with port, path.

    Of a data: URL a hash: what it holds is in no name of a file.
    """
    parts = urlsplit(url)
    if parts.scheme == "data":
        return "data", "", f"/{sha256(url.encode()).hexdigest()}"
    return parts.scheme.lower(), parts.netloc.rpartition("@")[2].lower(), parts.path


def inline_bytes(url: str) -> bytes | None:
    """Answer what a data: URL holds (RFC 2397), None if it is none. Raises ValueError."""
    scheme, _, rest = url.partition(":")
    if scheme.lower() != "data":
        return None
    header, comma, text = rest.partition(",")
    if not comma:
        raise ValueError("a data: URL needs a comma")
    content = unquote_to_bytes(text)
    if header.lower().endswith(";base64"):
        return b64decode(content + b"=" * (-len(content) % 4), validate=True)
    return content
