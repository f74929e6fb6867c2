"""One spelling for each URL, so that one asset has one identity."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_IN_PATH = _UNRESERVED | frozenset("!$&'()*+,;=:@/")
_TRIPLET = re.compile(r"%[0-9A-Fa-f]{2}")
_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(:[0-9]*)?")
_LABEL_DOTS = re.compile("[.\u3002\uff0e\uff61]")


def canonical_path(path: str) -> str:
    """One spelling of a URL path: percent-encoding normalised, dot segments resolved.

    Case, empty segments and a trailing slash keep their meaning and stay.
    """
    return _without_dots(_normal_percents(path))


def canonical_url(url: str) -> str:
    """One spelling of an absolute URL, without user-info, query and fragment.

    Raises `ValueError` with a reason that quotes nothing of the URL.
    """
    parts = _split(url)
    if not parts.scheme:
        raise ValueError("it has no scheme")
    if not parts.hostname:
        raise ValueError("it has no host")
    host = _canonical_host(parts.hostname)
    port = _port(parts)
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{port}"
    return f"{parts.scheme}://{host}{canonical_path(parts.path) or '/'}"


def redact(url: str) -> str:
    """Drop what may be secret in a URL: user-info, query and fragment."""
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    head, slashes, rest = bare.partition("//")
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    if "@" in head or (":" in host and not _HOST_AND_PORT.fullmatch(host)):
        return "(a malformed URL)"  # what looks like a host may be half a password
    return f"{head}{slashes}{host}{slash}{path}"


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError("its host is malformed") from None


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        raise ValueError("its port is malformed") from None


def _canonical_host(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        labels = _LABEL_DOTS.split(unicodedata.normalize("NFKC", host.lower()))
        return ".".join(_ascii_label(label) for label in labels)
    return f"[{address}]" if address.version == 6 else str(address)


def _ascii_label(label: str) -> str:
    if label.isascii():
        return label
    try:
        return "xn--" + unicodedata.normalize("NFC", label).encode("punycode").decode("ascii")
    except UnicodeError:
        raise ValueError("its host is malformed") from None


def _normal_percents(path: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(path):
        char = path[at]
        if char == "%" and _TRIPLET.match(path, at):
            decoded = chr(int(path[at + 1 : at + 3], 16))
            out.append(decoded if decoded in _UNRESERVED else path[at : at + 3].upper())
            at += 3
            continue
        if char in _IN_PATH or char == "%":  # a stray percent sign means itself
            out.append(char)
        else:
            out.extend(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
        at += 1
    return "".join(out)


def _without_dots(path: str) -> str:
    rooted = path.startswith("/")
    segments = path[1:].split("/") if rooted else path.split("/")
    out: list[str] = []
    for segment in segments:
        if segment == "..":
            if out:
                out.pop()
        elif segment != ".":
            out.append(segment)
    if segments[-1] in {".", ".."}:
        out.append("")
    return ("/" if rooted else "") + "/".join(out)
