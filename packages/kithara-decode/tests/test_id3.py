from pathlib import Path

import pytest
from decode_files import Media

from kithara_decode import open_decoder
from kithara_decode._id3 import id3v2_raw_texts, id3v2_size, id3v2_texts


@pytest.mark.parametrize("version", ["3", "4"])
def test_texts_that_ffmpeg_wrote(media: Media, version: str) -> None:
    path = media.coded(
        f"tagged-{version}.mp3",
        *("-metadata", "title=Größe", "-metadata", "artist=Ⅷ", "-id3v2_version", version),
    )
    with path.open("rb") as file, open_decoder(file) as decoder:
        assert decoder.tags["title"] == "Größe"
        assert decoder.tags["artist"] == "Ⅷ"
        assert decoder.raw_tags[:2] == (("TIT2", "Größe"), ("TPE1", "Ⅷ"))
        assert "TSSE" in dict(decoder.raw_tags)


def test_version_2_with_three_letter_names() -> None:
    frame = b"TT2\x00\x00\x05\x00Song"
    tag = b"ID3\x02\x00\x00\x00\x00\x00" + bytes([len(frame)]) + frame
    assert id3v2_size(tag) == len(tag)
    assert id3v2_texts(tag) == {"title": "Song"}


def test_unsynchronised_and_extended_version_3() -> None:
    extended = b"\x00\x00\x00\x06" + bytes(6)
    frame = b"TIT2\x00\x00\x00\x07\x00\x00\x01\xff\x00\xfea\x00b\x00"
    body = extended + frame
    tag = b"ID3\x03\x00\xc0\x00\x00\x00" + bytes([len(body)]) + body
    assert id3v2_texts(tag) == {"title": "ab"}


@pytest.mark.parametrize(
    "head", [b"", b"ID3", b"ID3\x04\x00\x00\x00\x00\x00\x80", b"TAG" + bytes(9)]
)
def test_no_tag(head: bytes) -> None:
    assert id3v2_size(head) == 0


def test_a_cut_tag_gives_what_is_there(corpora: Path) -> None:
    tag = (corpora / "audio/mpg123/lots-of-id3text.mp3").read_bytes()[:60]
    assert id3v2_texts(tag) == {"title": "Colorado"}


def test_texts_of_users_go_by_what_they_are() -> None:
    frame = b"TXXX\x00\x00\x00\x09\x00\x00\x00mood\x00sad"
    tag = b"ID3\x03\x00\x00\x00\x00\x00" + bytes([len(frame)]) + frame
    assert id3v2_raw_texts(tag) == [("TXXX:mood", "sad")]
    assert id3v2_texts(tag) == {}


def test_texts_of_users_may_have_any_name() -> None:
    frame = b"TXXX\x00\x00\x00\x08\x00\x00\x03\xe2\x85\xa7\x00sad"
    tag = b"ID3\x03\x00\x00\x00\x00\x00" + bytes([len(frame)]) + frame
    assert id3v2_raw_texts(tag) == [("TXXX:Ⅷ", "sad")]
    assert id3v2_texts(tag) == {}


def test_comments() -> None:
    plain = b"COMM\x00\x00\x00\x09\x00\x00\x00eng\x00Fine"
    named = b"COMM\x00\x00\x00\x0d\x00\x00\x00engwhat\x00text"
    tag = b"ID3\x03\x00\x00\x00\x00\x00" + bytes([len(plain) + len(named)]) + plain + named
    assert id3v2_raw_texts(tag) == [("COMM", "Fine"), ("COMM:what", "text")]
    assert id3v2_texts(tag) == {"comment": "Fine"}
