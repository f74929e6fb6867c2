import pytest
from decode_files import Media

from kithara_decode._mp4 import Layout, mp4_layout


@pytest.mark.parametrize(
    ("name", "movflags", "layout"),
    [
        ("tail.m4a", "+write_colr", "table last"),
        ("fast.m4a", "+faststart", "table first"),
        ("frag.mp4", "+frag_keyframe+empty_moov", "fragments"),
    ],
)
def test_layouts(media: Media, name: str, movflags: str, layout: Layout) -> None:
    content = media.coded(name, "-c:a", "aac", "-movflags", movflags).read_bytes()
    assert mp4_layout(content[:65536]) == layout


@pytest.mark.parametrize("head", [b"", bytes(8), bytes(100), b"\x00\x00\x00\x09moov"])
def test_nonsense(head: bytes) -> None:
    assert mp4_layout(head) is None
