"""Text tags under one set of names, whichever format they come from."""

from collections.abc import Iterable, Mapping

_NAMES = {
    "albumartist": "album_artist",
    "album artist": "album_artist",
    "ensemble": "album_artist",
    "tracknumber": "track",
    "tracknum": "track",
    "discnumber": "disc",
    "discnum": "disc",
    "year": "date",
    "description": "comment",
    "encoded_by": "encoder",
    "encoded-by": "encoder",
    "software": "encoder",
}


def normal_tags(tags: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return texts by lower-case names; what one name says several times is joined by "; "."""
    found: dict[str, list[str]] = {}
    for raw, text in tags:
        name = raw.strip().lower()
        texts = found.setdefault(_NAMES.get(name, name), [])
        if text and text not in texts:
            texts.append(text)
    return {name: "; ".join(texts) for name, texts in found.items() if texts}


def merged_tags(*tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of several places in one input; the last place wins."""
    return {name: text for place in tags for name, text in normal_tags(place.items()).items()}
