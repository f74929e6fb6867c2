"""What a resource of the test server consists of: bytes, a file, or bytes made on demand."""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

MEDIA_TYPES = {
    ".aac": "audio/aac",
    ".aiff": "audio/aiff",
    ".flac": "audio/flac",
    ".html": "text/html; charset=utf-8",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4a": "audio/mp4",
    ".m4s": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".mp4": "audio/mp4",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".ts": "video/mp2t",
    ".txt": "text/plain; charset=utf-8",
    ".wav": "audio/wav",
}
OCTETS = "application/octet-stream"


def pattern_bytes(start: int, stop: int) -> bytes:
    """The bytes `[start, stop)` of an endless pattern in which every 8 bytes name their offset.

    A piece that landed at a wrong offset therefore never compares equal.
    """
    first = start // 8
    words = array("Q", range(first, (stop + 7) // 8))
    if sys.byteorder == "little":
        words.byteswap()
    return words.tobytes()[start - first * 8 : stop - first * 8]


@dataclass(frozen=True, slots=True)
class GeneratedContent:
    """`size` bytes made when they are sent: `read(start, stop)` returns `[start, stop)`."""

    size: int
    read: Callable[[int, int], bytes] = pattern_bytes


Content: TypeAlias = bytes | Path | GeneratedContent


def size_of(content: Content) -> int:
    """Bytes of the whole content."""
    if isinstance(content, Path):
        return content.stat().st_size
    return content.size if isinstance(content, GeneratedContent) else len(content)


def read_piece(content: Content, start: int, stop: int) -> bytes:
    """The bytes `[start, stop)` of the content."""
    if isinstance(content, GeneratedContent):
        return content.read(start, stop)
    if isinstance(content, Path):
        with content.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)
    return content[start:stop]


def etag_of(content: Content) -> str:
    """A strong entity tag that changes when the content does."""
    if isinstance(content, Path):
        status = content.stat()
        return f'"{status.st_size:x}-{status.st_mtime_ns:x}"'
    if isinstance(content, GeneratedContent):
        return f'"generated-{content.size:x}"'
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'
