import time
from urllib.parse import urldefrag, urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_hls._errors import HlsError, PlaylistInvalid, PlaylistLimit, UnsupportedHls
from kithara_hls._parse import parse_playlist
from kithara_hls._playlist import MediaPlaylist, MultivariantPlaylist
from kithara_hls._urls import inline_bytes, resolve
from kithara_net import RangeSpec

URL = "https://cdn.test/music/list.m3u8"
CLEAN = "#EXTM3U\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:6,\na.ts\n#EXTINF:5.5,\nb.ts\n#EXT-X-ENDLIST\n"


def media(text: str | bytes, url: str = URL) -> MediaPlaylist:
    parsed = parse_playlist(text if isinstance(text, bytes) else text.encode(), url)
    assert isinstance(parsed, MediaPlaylist)
    return parsed


def multivariant(text: str, url: str = URL) -> MultivariantPlaylist:
    parsed = parse_playlist(text.encode(), url)
    assert isinstance(parsed, MultivariantPlaylist)
    return parsed


def listed(*lines: str) -> str:
    return "\n".join(("#EXTM3U", "#EXT-X-PLAYLIST-TYPE:VOD", *lines, "#EXT-X-ENDLIST"))


def test_facts_of_a_clean_list() -> None:
    parsed = media(CLEAN)
    assert [s.url for s in parsed.segments] == [
        "https://cdn.test/music/a.ts",
        "https://cdn.test/music/b.ts",
    ]
    assert [s.sequence for s in parsed.segments] == [0, 1]
    assert parsed.duration == 11.5
    assert parsed.ended
    parsed.require_playable()


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + CLEAN.encode(),
        CLEAN.replace("\n", "\r\n").encode(),
        CLEAN.replace("\n", "\r").encode(),
        CLEAN.replace("\n", "\n  \t").encode(),
        CLEAN.replace("\n", " \n\n").encode(),
        CLEAN.strip().encode(),
        CLEAN.replace("6,", "6").encode(),
        CLEAN.replace("6,", "6,one\u2028two\x85three\x0bfour").encode(),
        CLEAN.replace("6,", "6,caf\xe9").encode("latin-1"),
        CLEAN.replace(
            "#EXTINF:6", "#EXT-X-TARGETDURATION:ten\n#EXT-X-PROGRAM-DATE-TIME:?\n#EXTINF:6"
        ).encode(),
        CLEAN.replace("#EXTINF:6", "#EXT-X-NEW:A=1\n# comment\n#EXTINF:6").encode(),
    ],
    ids=[
        "bom",
        "crlf",
        "cr",
        "indent",
        "blank",
        "no-newline",
        "no-comma",
        "breaks",
        "latin-1",
        "odd-values",
        "unknown",
    ],
)
def test_tolerated_text_says_the_same(text: bytes) -> None:
    assert media(text) == media(CLEAN)


def test_a_line_separator_in_a_uri_stays_in_it() -> None:
    text = listed("#EXTINF:6,", "a\u2028b.ts")
    assert media(text).segments[0].url == "https://cdn.test/music/a%E2%80%A8b.ts"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"<!DOCTYPE html><html>404</html>", "HTML"),
        (b"a.ts\n", "#EXTM3U"),
        (b"#EXTM3U8\n#EXTINF:1,\na.ts", "#EXTM3U"),
        (b"#EXTM3U\n", "neither segments nor variants"),
        (b"#EXTM3U\na.ts\n", "line 2"),
        (b"#EXTM3U\n#EXTINF:x,\na.ts", "line 2"),
        (b"#EXTM3U\n#EXTINF:nan,\na.ts", "duration"),
        (b"#EXTM3U\n#EXTINF:6,\n#EXTINF:6,\na.ts", "no URI"),
        (b"#EXTM3U\n#EXTINF:6,\n", "no URI"),
        (b"#EXTM3U\n#EXTINF:6,\n\xff.ts", "UTF-8"),
        (b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:-1\n#EXTINF:6,\na.ts", "SEQUENCE"),
        (b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:\n#EXTINF:6,\na.ts", "line 2"),
        (b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n#EXTINF:6,\na.ts", "mixes"),
        (b"#EXTM3U\n#EXT-X-MAP:URL=x\n#EXTINF:6,\na.ts", "EXT-X-MAP has no URI"),
        (b"#EXTM3U\n#EXT-X-KEY:URI=x\n#EXTINF:6,\na.ts", "METHOD"),
        (b"#EXTM3U\n#EXT-X-KEY:METHOD=AES-128\n#EXTINF:6,\na.ts", "no URI"),
        (b"#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=a\n", "no variants"),
    ],
)
def test_what_is_no_playlist_is_refused_with_its_url(data: bytes, reason: str) -> None:
    with pytest.raises(PlaylistInvalid) as caught:
        parse_playlist(data, URL + "?token=secret")
    assert reason in str(caught.value)
    assert URL in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.url == URL


@pytest.mark.parametrize(
    ("lines", "feature"),
    [
        (["#EXT-X-KEY:METHOD=SAMPLE-AES,URI=k"], "EXT-X-KEY METHOD=SAMPLE-AES"),
        (["#EXT-X-KEY:METHOD=AES-256-GCM,URI=k"], "EXT-X-KEY METHOD=AES-256-GCM"),
        (
            ['#EXT-X-KEY:METHOD=AES-128,URI="skd://x",KEYFORMAT="com.apple.streamingkeydelivery"'],
            "EXT-X-KEY KEYFORMAT=com.apple.streamingkeydelivery",
        ),
        (
            ["#EXT-X-KEY:METHOD=AES-128,URI=k,KEYFORMATVERSIONS=2/3"],
            "EXT-X-KEY KEYFORMATVERSIONS=2/3",
        ),
        (
            ['#EXT-X-KEY:METHOD=AES-128,URI="skd://AAAA"'],
            "EXT-X-KEY with a URI of scheme 'skd'",
        ),
        (["#EXT-X-SKIP:SKIPPED-SEGMENTS=3"], "EXT-X-SKIP"),
        (["#EXT-X-I-FRAMES-ONLY"], "EXT-X-I-FRAMES-ONLY"),
    ],
)
def test_what_is_not_supported_is_named(lines: list[str], feature: str) -> None:
    with pytest.raises(UnsupportedHls) as caught:
        media(listed(*lines, "#EXTINF:6,", "a.ts"))
    assert caught.value.feature == feature
    assert "AAAA" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("data:application/octet-stream;base64,AAECAwQFBgcICQoLDA0ODw==", bytes(range(16))),
        ("DATA:;base64,AAECAwQFBgcICQoLDA0ODw", bytes(range(16))),
        ("data:,0123%34%00,;base64", b"01234\0,;base64"),
    ],
)
def test_a_key_may_stand_in_the_list(url: str, key: bytes) -> None:
    parsed = media(listed(f'#EXT-X-KEY:METHOD=AES-128,URI="{url}"', "#EXTINF:6,", "a.ts"))
    assert parsed.segments[0].key is not None
    assert inline_bytes(parsed.segments[0].key.url) == key


@pytest.mark.parametrize("url", ["data:AAAA", "data:;base64,A", "data:;base64,AA*A"])
def test_a_key_in_the_list_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(PlaylistInvalid, match="EXT-X-KEY has a data: URL") as caught:
        media(listed(f'#EXT-X-KEY:METHOD=AES-128,URI="{url}"', "#EXTINF:6,", "a.ts"))
    assert "AA" not in str(caught.value)


def test_session_keys_of_use_are_facts_and_others_are_no_error() -> None:
    parsed = multivariant(
        "#EXTM3U\n"
        '#EXT-X-SESSION-KEY:METHOD=AES-128,URI="k?a"\n#EXT-X-SESSION-KEY:METHOD=AES-256,URI="l"\n'
        '#EXT-X-SESSION-KEY:METHOD=AES-128,URI="k?a",IV=0x0\n#EXT-X-SESSION-KEY:METHOD=NONE\n'
        '#EXT-X-SESSION-KEY:METHOD=AES-128,URI="data:,x"\n#EXT-X-SESSION-KEY:URI="k"\n'
        '#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="k"\n'
        '#EXT-X-SESSION-KEY:METHOD=AES-128,URI="skd://x",KEYFORMAT="com.apple.s"\n'
        "#EXT-X-STREAM-INF:BANDWIDTH=1\nlist.m3u8\n",
    )
    assert parsed.session_keys == (urljoin(URL, "k?a"), urljoin(URL, "l"))


def test_only_http_is_followed() -> None:
    with pytest.raises(UnsupportedHls, match="file"):
        media(listed("#EXTINF:6,", "file:///etc/passwd"))


def test_live_and_gaps_are_facts_and_live_is_not_playable() -> None:
    live = media("#EXTM3U\n#EXTINF:6,\na.ts")
    assert not live.ended
    with pytest.raises(UnsupportedHls, match="live"):
        live.require_playable()
    media("#EXTM3U\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:6,\na.ts").require_playable()
    gap = media(listed("#EXTINF:6,", "a.ts", "#EXT-X-GAP", "#EXTINF:6,", "b.ts"))
    assert [s.gap for s in gap.segments] == [False, True]
    gap.require_playable()


# -- byte ranges -------------------------------------------------------------------------------


def test_byte_ranges_explicit_and_implicit() -> None:
    text = listed(
        '#EXT-X-MAP:URI="f.mp4",BYTERANGE="50@0"',
        "#EXT-X-BYTERANGE:100@50",
        "#EXTINF:6,",
        "f.mp4",
        "#EXTINF:6,",
        "#EXT-X-BYTERANGE:7",
        "f.mp4",
        "#EXTINF:6,",
        "#EXT-X-BYTERANGE:5@1000",
        "f.mp4",
        "#EXT-X-BYTERANGE:5",
        "#EXTINF:6,",
        "./f.mp4",
        "#EXTINF:6,",
        "g.mp4",
    )
    parsed = media(text)
    assert [s.byte_range for s in parsed.segments] == [
        RangeSpec(50, 150),
        RangeSpec(150, 157),
        RangeSpec(1000, 1005),
        RangeSpec(1005, 1010),
        None,
    ]
    init = parsed.segments[0].init
    assert init is not None
    assert init.byte_range == RangeSpec(0, 50)


@pytest.mark.parametrize(
    "before",
    [
        [],
        ["#EXTINF:6,", "f.mp4"],
        ["#EXTINF:6,", "#EXT-X-BYTERANGE:5@0", "g.mp4"],
        ["#EXTINF:6,", "#EXT-X-BYTERANGE:5@0", "f.mp4?other"],
    ],
)
def test_an_implicit_range_needs_one_of_the_same_resource_before(before: list[str]) -> None:
    with pytest.raises(PlaylistInvalid, match="same resource"):
        media(listed(*before, "#EXTINF:6,", "#EXT-X-BYTERANGE:7", "f.mp4"))


@pytest.mark.parametrize("written", ["0@5", "x@0", "5@", "-1@0", "5@-1", ""])
def test_what_is_no_byte_range(written: str) -> None:
    with pytest.raises(PlaylistInvalid):
        media(listed("#EXTINF:6,", f"#EXT-X-BYTERANGE:{written}", "f.mp4"))


# -- keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [0, 5, 1712345678901, 2**64 - 1])
def test_the_implicit_iv_is_the_sequence_number_in_128_bits(first: int) -> None:
    text = listed(
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
        "#EXT-X-KEY:METHOD=AES-128,URI=k",
        "#EXTINF:6,",
        "a",
        "#EXTINF:6,",
        "b",
    )
    ivs = [s.key.iv for s in media(text).segments if s.key]
    assert ivs == [first.to_bytes(16, "big"), (first + 1).to_bytes(16, "big")]


@pytest.mark.parametrize("prefix", ["0x", "0X", ""])
def test_an_explicit_iv(prefix: str) -> None:
    iv = "410B2ab3A84292FABE45429347F73F4F"
    text = listed(f"#EXT-X-KEY:METHOD=AES-128,URI=slq.key,IV={prefix}{iv}", "#EXTINF:6,", "a")
    key = media(text).segments[0].key
    assert key is not None
    assert key.iv == bytes.fromhex(iv)
    assert key.url == "https://cdn.test/music/slq.key"


@pytest.mark.parametrize("iv", ["0x1", "0x" + "0" * 33, "0x" + "g" * 32, "", "0x"])
def test_an_iv_that_has_not_128_bits_is_refused(iv: str) -> None:
    with pytest.raises(PlaylistInvalid, match="128"):
        media(listed(f"#EXT-X-KEY:METHOD=AES-128,URI=k,IV={iv}", "#EXTINF:6,", "a"))


def test_keys_maps_and_none_in_every_order() -> None:
    iv = "0x" + "0" * 31 + "7"
    text = listed(
        '#EXT-X-MAP:URI="clear-init"',
        '#EXT-X-KEY:METHOD=AES-128,URI="k1"',
        "#EXTINF:6,",
        "a",
        f'#EXT-X-KEY:METHOD=AES-128,URI="k2",IV={iv}',
        '#EXT-X-MAP:URI="coded-init"',
        "#EXT-X-KEY:METHOD=NONE",
        "#EXTINF:6,",
        "b",
        "#EXTINF:6,",
        '#EXT-X-KEY:METHOD=AES-128,URI="k3"',
        "c",
    )
    a, b, c = media(text).segments
    assert a.init is not None
    assert a.init.key is None
    assert a.key is not None
    assert a.key.url.endswith("/k1")
    assert b.init is not None
    assert b.init.key is not None
    assert b.init.key.iv == bytes(15) + b"\x07"
    assert b.key is None
    assert c.init == b.init
    assert c.key is not None
    assert c.key.url.endswith("/k3")


def test_an_encrypted_init_section_needs_an_iv() -> None:
    with pytest.raises(PlaylistInvalid, match="IV"):
        media(listed("#EXT-X-KEY:METHOD=AES-128,URI=k", "#EXT-X-MAP:URI=i", "#EXTINF:6,", "a"))


def test_the_identity_key_is_picked_wherever_it_stands() -> None:
    foreign = (
        '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple.streamingkeydelivery"'
    )
    ours = '#EXT-X-KEY:METHOD=AES-128,URI="k",KEYFORMAT="identity",KEYFORMATVERSIONS="1"'
    for lines in ([foreign, ours], [ours, foreign]):
        key = media(listed(*lines, "#EXTINF:6,", "a")).segments[0].key
        assert key is not None
        assert key.url.endswith("/k")
    clear = media(listed(foreign, ours, "#EXT-X-KEY:METHOD=NONE", "#EXTINF:6,", "a"))
    assert clear.segments[0].key is None


def test_discontinuity_and_map_changes_stand_at_their_segment() -> None:
    text = listed(
        "#EXT-X-DISCONTINUITY-SEQUENCE:3",
        "#EXT-X-MAP:URI=i",
        "#EXTINF:6,",
        "a",
        "#EXT-X-DISCONTINUITY",
        "#EXTINF:6,",
        "b",
        "#EXT-X-MAP:URI=j",
        "#EXTINF:6,",
        "c",
    )
    parsed = media(text)
    assert [s.discontinuity for s in parsed.segments] == [False, True, False]
    assert [s.init.url[-1] for s in parsed.segments if s.init] == ["i", "i", "j"]


# -- multivariant ------------------------------------------------------------------------------


def test_variants_and_renditions() -> None:
    text = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="first",URI="1.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="auto",AUTOSELECT=YES,URI="2.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="d",NAME="auto",AUTOSELECT=YES,URI="3.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="d",NAME="O'Brien, live",DEFAULT=YES,AUTOSELECT=YES,LANGUAGE="en"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="f",NAME="one",URI="4.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="f",NAME="two",URI="5.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="x",URI="s.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9,URI="i.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=100,AVERAGE-BANDWIDTH=90,CODECS="mp4a.40.2, avc1.4d",AUDIO="g"
v0/list.m3u8?t=1
#EXT-X-STREAM-INF:BANDWIDTH=200,AUDIO="d",FRAME-RATE=odd
/v1.m3u8
#EXT-X-STREAM-INF:AUDIO="f"
//other.test/v2.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=1e3,AUDIO="none"
http://other.test/v3.m3u8#fragment
"""
    parsed = multivariant(text)
    assert [v.url for v in parsed.variants] == [
        "https://cdn.test/music/v0/list.m3u8?t=1",
        "https://cdn.test/v1.m3u8",
        "https://other.test/v2.m3u8",
        "http://other.test/v3.m3u8",
    ]
    assert [v.bandwidth for v in parsed.variants] == [100, 200, 0, 0]
    assert parsed.variants[0].codecs == ("mp4a.40.2", "avc1.4d")
    chosen = [parsed.rendition_for(v) for v in parsed.variants]
    assert [r.name if r else None for r in chosen] == ["auto", "O'Brien, live", "one", None]
    assert chosen[1] is not None
    assert chosen[1].url is None
    assert len(parsed.renditions) == 6


def test_reprs_hold_no_query() -> None:
    text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8?token=secret"
    assert "secret" not in repr(multivariant(text, URL + "?token=secret"))
    text = listed(
        "#EXT-X-KEY:METHOD=AES-128,URI=k?secret,IV=" + "0" * 32, "#EXT-X-MAP:URI=i?secret"
    )
    assert "secret" not in repr(media(text + "\n#EXTINF:1,\na?secret"))


# -- limits ------------------------------------------------------------------------------------


def test_limits_are_named() -> None:
    with pytest.raises(PlaylistLimit, match="max_playlist_bytes=10"):
        parse_playlist(CLEAN.encode(), URL, max_bytes=10)
    with pytest.raises(PlaylistLimit, match="max_segments=1"):
        parse_playlist(CLEAN.encode(), URL, max_segments=1)


def test_a_large_list_is_parsed_within_a_second() -> None:
    lines = (
        f'#EXT-X-KEY:METHOD=AES-128,URI="k{i}"\n#EXTINF:6,\nsegment-{i}.ts' for i in range(20_000)
    )
    text = listed(*lines)
    assert len(text) > 1_200_000
    began = time.process_time()
    assert len(media(text).segments) == 20_000
    assert time.process_time() - began < 4  # a quarter of it on an idle machine


@given(
    st.lists(
        st.sampled_from(
            [
                *("#EXTM3U", "#EXTINF:6,", "#EXTINF:", "a.ts", "#EXT-X-ENDLIST", "\u2028", "\xa0"),
                *("#EXT-X-KEY:METHOD=AES-128,URI=k", "#EXT-X-KEY:METHOD", "#EXT-X-KEY:"),
                *("#EXT-X-MAP", "#EXT-X-MAP:URI=i", "#EXT-X-GAP", "#EXT-X-DISCONTINUITY"),
                *("#EXT-X-BYTERANGE:5", "#EXT-X-BYTERANGE:5@1", "#EXT-X-MEDIA-SEQUENCE"),
                *("#EXT-X-STREAM-INF", "#EXT-X-STREAM-INF:BANDWIDTH=1", "http://["),
                *("#EXT-X-MEDIA:", "#EXT-X-MEDIA:TYPE=AUDIO", "#EXT-X-PLAYLIST-TYPE"),
            ]
        )
        | st.text(max_size=20)
    )
)
def test_any_lines_give_facts_or_a_typed_error(lines: list[str]) -> None:
    data = "\n".join(["#EXTM3U", *lines]).encode("utf-8", "surrogatepass")
    try:
        parsed = parse_playlist(data, URL)
    except HlsError:
        return
    if isinstance(parsed, MediaPlaylist):
        assert parsed.segments


@given(st.text("ab.:%=-_~/?#@", max_size=12))
def test_plain_names_resolve_as_urljoin_does(name: str) -> None:
    for base in (URL, "http://host", "http://host/x?q=/y"):
        try:
            expected = urldefrag(urljoin(base, name)).url
        except ValueError:
            continue
        assert resolve(base, name) == expected
