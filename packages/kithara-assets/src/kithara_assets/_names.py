"""Names that are safe on every file system, stay readable and never collide.

Everything that a name may hold is lower-case ASCII, so no file system can fold two of them into
one. A part of a path that is plain already stays as it is; any other becomes a readable prefix,
`~` and a hash of its exact spelling. `~` occurs nowhere else. File names hold a dot or a `~`,
folder names hold no dot outside one with `~`, so no file can stand where a folder must.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from urllib.parse import unquote

from ._url import canonical_path

RESERVED_SUFFIXES = (".part", ".map", ".meta", ".lease")
DEVICE_NAMES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789¹²³"}
)

_PLAIN_FOLDER = re.compile(r"[a-z0-9_][a-z0-9_-]*")
_PLAIN_FILE = re.compile(r"[a-z0-9_][a-z0-9_-]*(\.[a-z0-9_-]+)+")
_EXTENSION = re.compile(r"[a-z0-9]{1,8}")
_NOT_IN_PREFIX = re.compile(r"[^a-z0-9]+")
_MAX_PLAIN = 64
_MAX_PREFIX = 32
_MAX_FOLDERS = 8
_MAX_PATH = 200
_HASH_CHARS = 20  # of base32: 100 bits


def encode_path(url_path: str, query: str | None = None) -> str:
    """Give the path of a URL a relative path on disk: safe, readable, and its own.

    Two paths share a name only if they are spellings of one URL path (percent-encoding of plain
    characters, dot segments, one leading slash). `query` (without `?`) makes the name depend on
    it, where a playlist tells resources apart by query only; an empty one counts as none.
    Any text is accepted. The result has at most 200 characters, in lower-case ASCII.
    """
    path = canonical_path(url_path)
    *folders, file = path.removeprefix("/").split("/")
    name = _file_name(file, query or None)
    names = [_folder_name(folder) for folder in folders]
    encoded = "/".join([*names, name])
    if len(folders) > _MAX_FOLDERS or len(encoded) > _MAX_PATH:
        whole = "/".join(folders)
        encoded = f"{prefix_of(folders[0])}~{digest('folders', whole)}/{name}"
    return encoded


def digest(*facts: str) -> str:
    """100 bits of hash over facts, in characters that are safe in a name."""
    data = "\0".join(facts).encode("utf-8", "surrogatepass")
    return base64.b32encode(hashlib.sha256(data).digest()).decode("ascii").lower()[:_HASH_CHARS]


def prefix_of(component: str, size: int = _MAX_PREFIX) -> str:
    """The readable part of a name that is not plain."""
    text = unicodedata.normalize("NFKD", unquote(component, errors="ignore")).lower()
    slug = _NOT_IN_PREFIX.sub("-", "".join(char for char in text if not is_mark(char)))
    return slug.strip("-")[:size].strip("-") or "unnamed"


def is_mark(char: str) -> bool:
    """Whether a character only decorates the one before it."""
    return unicodedata.category(char) == "Mn"


def is_reserved(name: str) -> bool:
    """Whether a lower-case name means something else to the cache or to a system."""
    return name.endswith(RESERVED_SUFFIXES) or name.split(".", 1)[0].rstrip(" ") in DEVICE_NAMES


def _folder_name(folder: str) -> str:
    if _is_plain(_PLAIN_FOLDER, folder):
        return folder
    return f"{prefix_of(folder)}~{digest('folder', folder)}"


def _file_name(file: str, query: str | None) -> str:
    if query is None and _is_plain(_PLAIN_FILE, file):
        return file
    stem, dot, extension = file.rpartition(".")
    extension = extension.lower()
    facts = ("file", file) if query is None else ("file", file, query)
    if not dot or not stem or not _EXTENSION.fullmatch(extension) or is_reserved("x." + extension):
        return f"{prefix_of(file)}~{digest(*facts)}"
    return f"{prefix_of(stem)}~{digest(*facts)}.{extension}"


def _is_plain(pattern: re.Pattern[str], name: str) -> bool:
    return len(name) <= _MAX_PLAIN and bool(pattern.fullmatch(name)) and not is_reserved(name)
