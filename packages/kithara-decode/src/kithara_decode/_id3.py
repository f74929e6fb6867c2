"""ID3v2 tags: how long they are, and the texts in them."""

from collections.abc import Iterator

_NAMES = {
    "TIT2": "title", "TPE1": "artist", "TALB": "album", "TPE2": "album_artist",
    "TDRC": "date", "TYER": "date", "TCON": "genre", "TRCK": "track", "TCOM": "composer",
    "COMM": "comment",
    "TT2": "title", "TP1": "artist", "TAL": "album", "TP2": "album_artist",
    "TYE": "date", "TCO": "genre", "TRK": "track", "TCM": "composer",
    "COM": "comment",
}  # fmt: skip
_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")


def id3v2_size(head: bytes) -> int:
    """Return the size of the ID3v2 tag that these ten bytes begin, 0 if they begin none."""
    if (
        len(head) < 10
        or head[:3] != b"ID3"
        or head[3] == 0xFF
        or any(byte & 0x80 for byte in head[6:10])
    ):
        return 0
    return 10 + _syncsafe(head[6:10]) + (10 if head[5] & 0x10 else 0)


def id3v2_texts(tag: bytes) -> dict[str, str]:
    """Return the texts of a tag that we have names for, as far as the given bytes of it go."""
    found: dict[str, str] = {}
    for name, text in id3v2_raw_texts(tag):
        if name in _NAMES:
            found.setdefault(_NAMES[name], text)
    return found


def id3v2_raw_texts(tag: bytes) -> list[tuple[str, str]]:
    """Return all texts of a tag by the names of their frames.

    "TXXX:what" are those of users; "COMM:what" are comments, "COMM" the plain one.
    """
    found = []
    for name, content in _frames(tag):
        is_comment = name in (b"COMM", b"COM")
        if not (name[:1] == b"T" or is_comment) or not content or content[0] >= len(_ENCODINGS):
            continue
        text = content[4 if is_comment else 1 :].decode(_ENCODINGS[content[0]], errors="replace")
        label = name.decode("latin-1")
        if is_comment or label in ("TXXX", "TXX"):
            what, _, text = text.partition("\0")
            label = f"{label}:{what}" if what or not is_comment else label
        text = "; ".join(part for part in text.replace("\ufeff", "").split("\0") if part)
        if text:
            found.append((label, text))
    return found


def _frames(tag: bytes) -> Iterator[tuple[bytes, bytes]]:
    version, flags = tag[3], tag[5]
    body = tag[10:]
    if flags & 0x80 and version < 4:
        body = body.replace(b"\xff\x00", b"\xff")
    at = 0
    if flags & 0x40 and version == 3:
        at = 4 + int.from_bytes(body[:4])
    elif flags & 0x40 and version == 4:
        at = _syncsafe(body[:4])
    name_bytes, header_bytes = (3, 6) if version == 2 else (4, 10)
    while at + header_bytes <= len(body) and body[at]:
        size_field = body[at + name_bytes : at + 2 * name_bytes]
        size = _syncsafe(size_field) if version == 4 else int.from_bytes(size_field)
        start = at + header_bytes
        if start + size > len(body):
            return
        yield body[at : at + name_bytes], body[start : start + size]
        at = start + size


def _syncsafe(field: bytes) -> int:
    value = 0
    for byte in field:
        value = value << 7 | byte & 0x7F
    return value
