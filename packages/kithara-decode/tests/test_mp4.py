import shutil
from fractions import Fraction

import mutagen.mp4
import numpy as np
import pytest
from decode_files import Media

from kithara_decode import open_decoder
from kithara_decode._itunes import ItunesSound, itunes_sound
from kithara_decode._mp4 import Layout, edit_start, mp4_layout


@pytest.mark.parametrize(
    ("name", "movflags", "layout"),
    [
        ("layout-tail.m4a", "+write_colr", "table last"),
        ("layout-fast.m4a", "+faststart", "table first"),
        ("layout-frag.mp4", "+frag_keyframe+empty_moov", "fragments"),
    ],
)
def test_layouts(media: Media, name: str, movflags: str, layout: Layout) -> None:
    content = media.coded(name, "-c:a", "aac", "-movflags", movflags).read_bytes()
    assert mp4_layout(content[:65536]) == layout


@pytest.mark.parametrize("head", [b"", bytes(8), bytes(100), b"\x00\x00\x00\x09moov"])
def test_nonsense(head: bytes) -> None:
    assert mp4_layout(head) is None


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return (8 + len(content)).to_bytes(4) + kind + content


def track(handler: bytes, version: int, *edits: int, timescale: int = 48000) -> bytes:
    wide = 8 if version else 4
    full = bytes([version, 0, 0, 0])
    entries = b"".join(
        bytes(wide) + start.to_bytes(wide, signed=True) + b"\0\1\0\0" for start in edits
    )
    clock = full + bytes(2 * wide) + timescale.to_bytes(4) + bytes(wide)
    return box(
        b"trak",
        box(b"edts", box(b"elst", full + len(edits).to_bytes(4) + entries)) if edits else b"",
        box(b"mdia", box(b"mdhd", clock), box(b"hdlr", full + bytes(4) + handler + bytes(13))),
    )


@pytest.mark.parametrize("version", [0, 1])
def test_the_edit_of_the_sound_is_found(version: int) -> None:
    video, sound = track(b"vide", version, 7), track(b"soun", version, -1, 1024)
    head = box(b"ftyp", b"iso6") + box(b"moov", box(b"mvhd"), video, sound)
    assert edit_start(head) == Fraction(1024, 48000)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\0\0\0\0moov",
        box(b"moov", track(b"soun", 0)),
        box(b"moov", track(b"soun", 0, -1)),
        box(b"moov", track(b"soun", 0, 1024, timescale=0)),
        box(b"moov", track(b"soun", 1, 1024))[:-60],
    ],
)
def test_without_an_edit_the_sound_begins_at_once(head: bytes) -> None:
    assert edit_start(head) == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (" 00000000 00000840 000001CA 00000000003F31F6 0", ItunesSound(start=2112, frames=4141558)),
        ("", None),
        ("1 2 3", None),
        ("0 1 2 0", None),
        ("0 x y z", None),
    ],
)
def test_what_itunes_tells(text: str, told: ItunesSound | None) -> None:
    assert itunes_sound(text) == told


def test_the_end_that_itunes_tells(media: Media) -> None:
    bare = media.coded("smpb.m4a", "-c:a", "aac", "-use_editlist", "0", frames=50_000)
    path = bare.with_name("told.m4a")
    shutil.copy(bare, path)
    file = mutagen.mp4.MP4(path)  # type: ignore[no-untyped-call]  # it has no types
    text = f" 00000000 {1024:08X} {176:08X} {50_000:016X} 00000000"
    value = mutagen.mp4.MP4FreeForm(text.encode())  # type: ignore[no-untyped-call]  # as above
    file["----:com.apple.iTunes:iTunSMPB"] = [value]
    file.save()  # type: ignore[no-untyped-call]  # as above
    with bare.open("rb") as untold, open_decoder(untold) as decoder:
        everything = np.concatenate(list(decoder.blocks(4096)))
        assert len(everything) > 51_000
    with path.open("rb") as told, open_decoder(told) as decoder:
        assert decoder.frames == 50_000
        assert dict(decoder.raw_tags)["iTunSMPB"] == text
        found = np.concatenate(list(decoder.blocks(4096)))
        assert np.array_equal(found, everything[1024:51_024])
        decoder.seek(40_000)
        assert len(np.concatenate(list(decoder.blocks(4096)))) == 10_000
