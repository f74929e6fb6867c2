import pytest

from kithara_stream import sniff


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"#EXTM3U\n", "hls"),
        (b"\xef\xbb\xbf\r\n #extm3u", "hls"),
        (b"<!DOCTYPE html><html>", "html"),
        (b"  <html lang='en'>", "html"),
        (b"ID3\x04\x00", "mp3"),
        (b"\xff\xfb\x90\x00", "mp3"),
        (b"\xff\xf1\x50\x80", "adts"),
        (b"\xff\xf9\x50\x80", "adts"),
        (b"fLaC\x00", "flac"),
        (b"OggS\x00", "ogg"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "wav"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "wav"),
        (b"FORM\x00\x00\x00\x00AIFC", "aiff"),
        (b"\x00\x00\x00\x20ftypM4A ", "mp4"),
        (b"\x00\x00\x00\x18styp", "mp4"),
        (b"\x1a\x45\xdf\xa3", "matroska"),
        ((b"\x47" + bytes(187)) * 5, "mpegts"),
        (b"\x47" + bytes(900), None),
        (b"", None),
        (b"plain text", None),
    ],
)
def test_sniff(head: bytes, container: str | None) -> None:
    assert sniff(head) == container
