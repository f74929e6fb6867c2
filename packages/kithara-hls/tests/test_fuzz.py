"""Playlists from chance: each is parsed or refused by a typed error, in bounded time.

``python tests/test_fuzz.py 100000`` tries so many of them.
"""

import random
import sys
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_hls import HlsError, PlaylistLimit
from kithara_hls._parse import parse_playlist
from kithara_hls._playlist import MediaPlaylist, Segment
from kithara_net import RangeSpec

URL = "https://cdn.test/music/list.m3u8?q=1"
LINES = (
    "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n"
    "#EXT-X-MEDIA-SEQUENCE:1712345678901\n#EXT-X-ENDLIST\n#EXT-X-DISCONTINUITY\n#EXT-X-GAP\n"
    "#EXTINF:6,\n#EXTINF:5.5,title\n1.ts\n../a/2.ts?t=1\nhttps://other.test/3.ts\n"
    '#EXT-X-BYTERANGE:100@0\n#EXT-X-BYTERANGE:200\n#EXT-X-MAP:URI="i.mp4",BYTERANGE="9@1"\n'
    '#EXT-X-KEY:METHOD=AES-128,URI="k"\n#EXT-X-KEY:METHOD=NONE\n'
    '#EXT-X-KEY:METHOD=AES-256,URI="k",IV=0x00000000000000000000000000000001\n'
    '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://k",KEYFORMAT="com.apple"\n'
    '#EXT-X-DEFINE:NAME="n",VALUE="v"\n#EXT-X-DEFINE:QUERYPARAM="q"\n{$n}.ts\n{$q}\n'
    "#EXT-X-START:TIME-OFFSET=-3\n#EXT-X-I-FRAMES-ONLY\n#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n"
    '#EXT-X-STREAM-INF:BANDWIDTH=100,CODECS="mp4a.40.2",AUDIO="g"\nlow.m3u8\n'
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="n",DEFAULT=YES,URI="a.m3u8"\n'
    '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="i.m3u8"\n#EXT-X-PROGRAM-DATE-TIME:now\n'
    '#EXT-X-CONTENT-STEERING:SERVER-URI="s",PATHWAY-ID="p"\n# a comment\n#EXT-X-PART:URI="p"\n'
).splitlines()


def made(chance: random.Random) -> bytes:
    """A playlist of likely lines, some of them damaged."""
    lines = [b"#EXTM3U"] if chance.random() < 0.95 else []
    for _ in range(chance.randrange(24)):
        if chance.random() < 0.6:
            lines += [b"#EXTINF:6,", b"%d.ts" % chance.randrange(9)]
            continue
        line = bytearray(chance.choice(LINES).encode())
        for _ in range(chance.choice((0, 0, 0, 0, 0, 1, 4))):
            at = chance.randrange(len(line) + 1)
            match chance.randrange(4):
                case 0:
                    line[at:at] = bytes([chance.randrange(256)])
                case 1:
                    del line[at : at + chance.randrange(9)]
                case 2:
                    line[at:at] = line[: chance.randrange(40)]
                case _:
                    line[at:at] = chance.choice((b"9" * 30, b'"', b",", b"=", b"{$", b"\0", b"-1"))
        lines.append(bytes(line))
    return chance.choice((b"\n", b"\r\n", b"\r")).join(lines)


def attempt(chance: random.Random, count: int) -> int:
    """Parse so many; answer how many were accepted. Raises what is no typed error."""
    accepted = 0
    told: list[str] = []
    for _ in range(count):
        playlist = made(chance)
        began = time.perf_counter()
        try:
            parsed = parse_playlist(playlist, URL)
        except HlsError as error:
            told.append(str(error))
        else:
            accepted += 1
            assert parsed.segments if isinstance(parsed, MediaPlaylist) else parsed.variants
        assert time.perf_counter() - began < 2
    assert not [text for text in told if "\n" in text or "?q=1" in text]
    return accepted


def test_some_thousands() -> None:
    assert attempt(random.Random(8), 3000) > 100


@given(st.binary(max_size=400))
def test_any_bytes_behind_the_header(rest: bytes) -> None:
    with suppress(HlsError):
        parse_playlist(b"#EXTM3U\n" + rest, URL)


@pytest.mark.parametrize("line", ["#EXTINF:1,", "#EXT-X-KEY:METHOD=NONE", "# nothing", "x"])
def test_a_million_lines_are_refused_soon(line: str) -> None:
    text = b"#EXTM3U\n" + b"\n".join([line.encode(), b"a.ts"] * 500_000)
    began = time.perf_counter()
    with pytest.raises(HlsError) as caught:
        parse_playlist(text, URL, max_bytes=100_000_000)
    assert time.perf_counter() - began < 20
    if line.startswith("#EXTINF"):
        assert isinstance(caught.value, PlaylistLimit)


# -- what is written is what is read -----------------------------------------------------------

names = st.text("abcdefgh0123456789-_.", min_size=1, max_size=8).filter(lambda n: n.strip("."))
ranges = st.none() | st.tuples(st.integers(0, 10**12), st.integers(1, 10**9))
segments = st.lists(
    st.tuples(names, st.integers(0, 10**7), ranges, st.booleans(), st.booleans()),
    min_size=1,
    max_size=20,
)


@given(segments, st.integers(0, 2**64 - 21), st.booleans())
def test_round_trip(
    written: list[tuple[str, int, tuple[int, int] | None, bool, bool]], sequence: int, keyed: bool
) -> None:
    lines = ["#EXTM3U", f"#EXT-X-MEDIA-SEQUENCE:{sequence}"]
    if keyed:
        lines.append('#EXT-X-KEY:METHOD=AES-128,URI="k"')
    for name, micros, ranged, discontinuity, gap in written:
        lines += ["#EXT-X-DISCONTINUITY"] * discontinuity + ["#EXT-X-GAP"] * gap
        lines += [f"#EXT-X-BYTERANGE:{ranged[1]}@{ranged[0]}"] if ranged else []
        lines += [f"#EXTINF:{micros / 10**6:.6f},", f"seg/{name}"]
    parsed = parse_playlist("\n".join([*lines, "#EXT-X-ENDLIST"]).encode(), URL)
    assert isinstance(parsed, MediaPlaylist)
    for index, (found, expected) in enumerate(zip(parsed.segments, written, strict=True)):
        name, micros, ranged, discontinuity, gap = expected
        assert found == Segment(
            index=index,
            sequence=sequence + index,
            duration=float(f"{micros / 10**6:.6f}"),
            url=f"https://cdn.test/music/seg/{name}",
            byte_range=RangeSpec(ranged[0], sum(ranged)) if ranged else None,
            init=None,
            key=found.key,
            discontinuity=discontinuity,
            gap=gap,
        )
        assert (found.key is not None) is keyed
        if found.key is not None:
            assert int.from_bytes(found.key.iv, "big") == sequence + index


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    accepted = attempt(random.Random(), asked)
    sys.stdout.write(f"{accepted} of {asked} accepted, the others refused by name\n")
