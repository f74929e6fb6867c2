"""Multivariant playlists from chance: whatever is written, however oddly, is what is read."""

from typing import TypeAlias
from urllib.parse import urljoin

from hypothesis import given, settings
from hypothesis import strategies as st

from kithara_hls._parse import parse_playlist
from kithara_hls._playlist import MultivariantPlaylist, Rendition, Variant

URL = "https://cdn.test/music/list.m3u8?token=a%20b&n=7"
QUERY = {"token": "a b", "n": "7"}

Attributes: TypeAlias = dict[str, str]

words = st.text("abcXYZ019-_.", min_size=1, max_size=8)
# What a quoted string may hold: all but quotes and line ends; "{$" would begin a variable.
quoted = st.text("abZ09 ,='#:;/\\{}é中🎵-", min_size=1, max_size=12)
names = st.text("AZaz09_-", min_size=1, max_size=6)
bits = st.integers(0, 10**15)

# A URI, and what it is once it is resolved against URL.
uris = st.tuples(
    st.sampled_from(
        [
            ("", "https://cdn.test/music/"),
            ("../", "https://cdn.test/"),
            ("./a/../b/", "https://cdn.test/music/b/"),
            ("/", "https://cdn.test/"),
            ("//other.test/", "https://other.test/"),
            ("http://plain.test:81/x/", "http://plain.test:81/x/"),
        ]
    ),
    st.text("abc019-_%=", min_size=1, max_size=8),
    st.sampled_from(["", ".m3u8", ".m3u8?t=../x&u=http://y/", "?a,b=c"]),
).map(
    lambda parts: (parts[0][0] + "v" + parts[1] + parts[2], parts[0][1] + "v" + parts[1] + parts[2])
)

# What means nothing here, wherever it stands between two others.
noise = st.sampled_from(
    [
        *("", "   ", "# a comment", "#EXTRA", "#EXT-X-VERSION:12", "#EXT-X-INDEPENDENT-SEGMENTS"),
        '#EXT-X-NEW-TAG:URI="new.m3u8",BANDWIDTH=1',
        '#EXT-X-SESSION-DATA:DATA-ID="a.b",VALUE="#EXTINF:6, x",LANGUAGE="en"',
        '#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="skd://k",KEYFORMAT="com.apple"',
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9,URI="frames.m3u8",CODECS="avc1.4d401e"',
        '#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=9,URI="images.m3u8"',
        '#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID="angles",NAME="left",DEFAULT=YES,URI="left.m3u8"',
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="en",LANGUAGE="en",URI="text.m3u8"',
        '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="en",INSTREAM-ID="CC1"',
    ]
)
unknown = st.sampled_from(
    [
        {},
        {"X-NEW": '"a,b=c,URI=d"', "FRAME-RATE": "29.970"},
        {"X-URI": '"GROUP-ID=x"', "X-NAME": '""'},
        {"HDCP-LEVEL": "NONE", "SCORE": "0xAB"},
    ]
)


def tag(draw: st.DrawFn, name: str, known: Attributes) -> str:
    """A tag with its attributes in any order, and some that nobody knows."""
    pairs = draw(st.permutations([*known.items(), *draw(unknown).items()]))
    comma = draw(st.sampled_from([",", ",", ", "]))
    return f"#{name}:" + comma.join(f"{key}={value}" for key, value in pairs)


def some(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str | None:
    return draw(st.none() | values)


class Script:
    """The lines of a playlist and what they say, both as they are drawn."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.lines = ["#EXTM3U"]
        self.variables: dict[str, str] = {}
        self.variants: list[Variant] = []
        self.renditions: list[Rendition] = []

    def define(self) -> None:
        name = self.draw(names.filter(lambda n: n not in self.variables and n not in QUERY))
        if self.draw(st.booleans()):
            self.variables[name] = value = self.draw(words)
            known = {"NAME": f'"{name}"', "VALUE": f'"{value}"'}
        else:
            name = self.draw(st.sampled_from(sorted(QUERY)))
            if name in self.variables:
                return
            self.variables[name] = QUERY[name]
            known = {"QUERYPARAM": f'"{name}"'}
        self.lines.append(tag(self.draw, "EXT-X-DEFINE", known))

    def text(self, plain: st.SearchStrategy[str]) -> tuple[str, str]:
        """A text as it is written, now and then with a variable in it, and what it means."""
        said = self.draw(plain)
        if not self.variables or self.draw(st.booleans()):
            return said, said
        name = self.draw(st.sampled_from(sorted(self.variables)))
        return f"{{${name}}}{said}", self.variables[name] + said

    def uri(self) -> tuple[str, str]:
        written, meant = self.draw(uris)
        if not self.variables or self.draw(st.booleans()):
            return written, meant
        name = self.draw(st.sampled_from(sorted(self.variables)))
        return f"{written}{{${name}}}", meant + self.variables[name]

    def rendition(self) -> None:
        group, name = self.text(quoted), self.text(quoted)
        language = some(self.draw, st.sampled_from(["en", "de-AT", "zh-Hant-TW", "x-klingon"]))
        default, autoselect = (self.draw(st.sampled_from([None, "YES", "NO"])) for _ in range(2))
        uri = self.uri() if self.draw(st.booleans()) else None
        known = {"TYPE": "AUDIO", "GROUP-ID": f'"{group[0]}"', "NAME": f'"{name[0]}"'}
        known |= {"LANGUAGE": f'"{language}"'} if language is not None else {}
        known |= {"DEFAULT": default} if default is not None else {}
        known |= {"AUTOSELECT": autoselect} if autoselect is not None else {}
        known |= {"URI": f'"{uri[0]}"'} if uri is not None else {}
        self.lines.append(tag(self.draw, "EXT-X-MEDIA", known))
        self.renditions.append(
            Rendition(
                index=len(self.renditions),
                group=group[1],
                name=name[1],
                language=language,
                default=default == "YES",
                autoselect=autoselect == "YES",
                url=uri[1] if uri is not None else None,
            )
        )

    def variant(self) -> None:
        """One variant, at one or two URIs that differ in nothing else but their pathway."""
        bandwidth, average = self.draw(bits), self.draw(st.none() | bits)
        codecs = self.draw(
            st.lists(st.sampled_from(["mp4a.40.2", "avc1.4d401e", "fLaC"]), max_size=3)
        )
        resolution = some(self.draw, st.sampled_from(["640x360", "1920x1080"]))
        groups = quoted | st.sampled_from([r.group for r in self.renditions] or ["none"])
        audio = some(self.draw, groups)
        known = {"BANDWIDTH": str(bandwidth)}
        known |= {"AVERAGE-BANDWIDTH": str(average)} if average is not None else {}
        known |= {"CODECS": '"' + ",".join(codecs) + '"'} if codecs else {}
        known |= {"RESOLUTION": resolution} if resolution is not None else {}
        known |= {"AUDIO": f'"{audio}"'} if audio is not None else {}
        for _ in range(self.draw(st.integers(1, 2))):
            pathway = some(self.draw, words)
            more = {"PATHWAY-ID": f'"{pathway}"'} if pathway is not None else {}
            written, meant = self.uri()
            self.lines += [tag(self.draw, "EXT-X-STREAM-INF", known | more), written]
            self.variants.append(
                Variant(
                    index=len(self.variants),
                    bandwidth=bandwidth,
                    average_bandwidth=average,
                    codecs=tuple(codecs),
                    resolution=resolution,
                    audio_group=audio,
                    url=meant,
                    pathway=pathway if pathway is not None else ".",
                )
            )


@st.composite
def playlists(draw: st.DrawFn) -> tuple[bytes, MultivariantPlaylist]:
    """A playlist as it is served, and all that it says."""
    script = Script(draw)
    start, pathway = draw(st.none() | st.integers(-(10**6), 10**6)), some(draw, words)
    steps = [script.define] * draw(st.integers(0, 2))
    steps += draw(st.lists(st.sampled_from([script.rendition, script.variant]), max_size=4))
    for step in [*steps, script.variant]:
        step()
        script.lines += draw(st.lists(noise, max_size=1))
    head = [script.lines[0]]
    if start is not None:
        head.append(tag(draw, "EXT-X-START", {"TIME-OFFSET": f"{start / 1000:.3f}"}))
    keys = draw(st.lists(st.sampled_from(["k.key", "/l?a=b"]), max_size=3))
    head += [tag(draw, "EXT-X-SESSION-KEY", {"METHOD": "AES-128", "URI": f'"{k}"'}) for k in keys]
    if pathway is not None:
        known = {"SERVER-URI": '"/steer?a=b"', "PATHWAY-ID": f'"{pathway}"'}
        head.append(tag(draw, "EXT-X-CONTENT-STEERING", known))
    newline = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = newline.join(head + script.lines[1:]) + draw(st.sampled_from(["", newline]))
    said = MultivariantPlaylist(
        url=URL,
        variants=tuple(script.variants),
        renditions=tuple(script.renditions),
        start=start / 1000 if start is not None else None,
        pathway=pathway,
        session_keys=tuple(urljoin(URL, key) for key in dict.fromkeys(keys)),
        variables=script.variables,
    )
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.encode(), said


@settings(max_examples=150, deadline=None)
@given(playlists())
def test_what_is_written_is_what_is_read(made: tuple[bytes, MultivariantPlaylist]) -> None:
    data, said = made
    assert parse_playlist(data, URL) == said
