"""Values of single tags: attribute lists, byte ranges, and which key is in force."""

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from kithara_net import RangeSpec

from ._errors import UnsupportedHls
from ._playlist import EncryptionKey
from ._urls import inline_bytes, redacted, resolve

__all__ = (
    "NO_KEYS",
    "Attributes",
    "KeysInForce",
    "TagInvalid",
    "add_key",
    "attributes",
    "byte_range",
    "http_url",
    "key_for",
    "session_key_url",
    "time_offset",
)

Attributes: TypeAlias = Mapping[str, str]
KeysInForce: TypeAlias = Mapping[str, Attributes]
"""The last EXT-X-KEY of each KEYFORMAT; replaced as a whole, never changed."""

NO_KEYS: Final[KeysInForce] = {}

_ATTRIBUTE: Final = re.compile(r"""\s*([^=,"\s]+)\s*=\s*("[^"]*"|'[^']*'|[^,]*)""")
_IV: Final = re.compile(r"(?:0[xX])?([0-9a-fA-F]{32})")
_BYTE_RANGE: Final = re.compile(r"(\d{1,18})(?:@(\d{1,18}))?")
_DECIMAL: Final = re.compile(r"-?\d{1,12}(\.\d{1,12})?")
_METHODS: Final = ("AES-128", "AES-256")
_IDENTITY: Final = "identity"


class TagInvalid(Exception):
    """Raised when a tag's value breaks its rule; the parser adds the playlist and the line."""


def attributes(value: str) -> dict[str, str]:
    """Split an attribute list; quotes are optional and taken off, unknown names are kept."""
    found: dict[str, str] = {}
    for name, text in _ATTRIBUTE.findall(value):
        quoted = len(text) > 1 and text[0] in "\"'" and text[-1] == text[0]
        found[name.upper()] = text[1:-1] if quoted else text.strip()
    return found


def byte_range(value: str, implicit_start: int | None) -> RangeSpec:
    """Read ``n[@o]``; without ``o`` the range begins at ``implicit_start``."""
    match = _BYTE_RANGE.fullmatch(value.strip())
    if match is None or int(match[1]) == 0:
        raise TagInvalid(f"{value!r} is not a byte range like 100@0")
    start = implicit_start if match[2] is None else int(match[2])
    if start is None:
        raise TagInvalid(
            "a byte range without an offset must follow a byte range of the same resource"
        )
    return RangeSpec(start, start + int(match[1]))


def time_offset(value: str) -> float | None:
    """Read TIME-OFFSET of EXT-X-START, in seconds; negative ones count from the end."""
    written = attributes(value).get("TIME-OFFSET", "")
    return float(written) if _DECIMAL.fullmatch(written) else None


def add_key(keys: KeysInForce, value: str) -> KeysInForce:
    """Apply one EXT-X-KEY: METHOD=NONE ends all, another replaces the one of its KEYFORMAT."""
    key = attributes(value)
    method = key.get("METHOD")
    if not method:
        raise TagInvalid("EXT-X-KEY has no METHOD")
    if method == "NONE":
        return NO_KEYS
    return {**keys, key.get("KEYFORMAT", _IDENTITY): key}


def key_for(keys: KeysInForce, *, url: str, sequence: int | None) -> EncryptionKey | None:
    """Answer the key to decrypt a part with, None if it is clear; ``url`` is the playlist's.

    ``sequence`` is the media sequence number, the IV where none is written; None for an init
    section, which has none (RFC 8216, 4.3.2.5).
    """
    if not keys:
        return None
    key = keys.get(_IDENTITY)
    if key is None:
        raise UnsupportedHls(
            "EXT-X-KEY KEYFORMAT=" + ", ".join(sorted(keys)),
            "only keys of KEYFORMAT identity can be used",
            url=url,
        )
    method = key["METHOD"]
    if method not in _METHODS:
        raise UnsupportedHls(
            f"EXT-X-KEY METHOD={method}",
            "only whole segments in AES-128 or AES-256 can be decrypted",
            url=url,
        )
    versions = key.get("KEYFORMATVERSIONS", "1")
    if "1" not in versions.split("/"):
        raise UnsupportedHls(
            f"EXT-X-KEY KEYFORMATVERSIONS={versions}", "only version 1 is known", url=url
        )
    if not key.get("URI"):
        raise TagInvalid(f"EXT-X-KEY METHOD={method} has no URI")
    key_url = _key_url(url, key["URI"])
    written = key.get("IV")
    if written is not None:
        match = _IV.fullmatch(written)
        if match is None:
            raise TagInvalid("IV is not a hexadecimal number of 128 bits")
        return EncryptionKey(url=key_url, iv=bytes.fromhex(match[1]), method=method)
    if sequence is None:
        raise TagInvalid("an encrypted EXT-X-MAP needs an EXT-X-KEY with an IV")
    return EncryptionKey(url=key_url, iv=sequence.to_bytes(16, "big"), method=method)


def session_key_url(value: str, *, url: str) -> str | None:
    """Where the key of an EXT-X-SESSION-KEY is fetched; None where it is of no use here."""
    try:
        key = key_for(add_key(NO_KEYS, value), url=url, sequence=0)
    except (TagInvalid, UnsupportedHls):
        return None  # a playlist that needs it says so again
    return None if key is None or inline_bytes(key.url) is not None else key.url


def _key_url(base: str, reference: str) -> str:
    try:
        inline = inline_bytes(reference)
    except ValueError as exc:
        raise TagInvalid("EXT-X-KEY has a data: URL that cannot be read") from exc
    return reference if inline is not None else http_url(base, reference, what="EXT-X-KEY")


def http_url(base: str, reference: str, *, what: str) -> str:
    """Resolve a URI of the playlist at ``base``; only http and https are followed."""
    try:
        url = resolve(base, reference)
    except ValueError as exc:
        raise TagInvalid(f"{what} has a URI that is not a URL") from exc
    scheme = url.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        raise UnsupportedHls(
            f"{what} with a URI of scheme {scheme!r}",
            f"{redacted(url)} is neither http nor https",
            url=base,
        )
    return url
