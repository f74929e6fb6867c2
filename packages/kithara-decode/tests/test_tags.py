from __future__ import annotations

from decode_files import Media

from kithara_decode import open_decoder
from kithara_decode._tags import merged_tags, normal_tags

WORDS = {
    "title": "Größe",
    "artist": "Niemand",
    "album": "Über",
    "album_artist": "Alle",
    "track": "3",
    "date": "1999",
}


def test_names_and_repeated_ones() -> None:
    pairs = [("ARTIST", "a"), ("artist", "b"), ("Artist", "a"), ("TRACKNUMBER", "7"), ("X", "")]
    assert normal_tags(pairs) == {"artist": "a; b", "track": "7"}


def test_the_last_place_wins() -> None:
    assert merged_tags({"title": "id3"}, {"TITLE": "comment", "YEAR": "2001"}) == {
        "title": "comment",
        "date": "2001",
    }


def test_every_format_has_the_same_names(media: Media) -> None:
    options = [word for name, text in WORDS.items() for word in ("-metadata", f"{name}={text}")]
    for name, codec in (
        ("t.mp3", "libmp3lame"), ("t.flac", "flac"), ("t.ogg", "libvorbis"), ("t.opus", "libopus"),
        ("t.m4a", "aac"), ("t.mka", "aac"),
    ):  # fmt: skip
        path = media.coded(name, "-c:a", codec, "-ar", "48000", *options, frames=5000)
        with path.open("rb") as file, open_decoder(file) as decoder:
            assert dict(decoder.tags) | WORDS == dict(decoder.tags), name
