import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kithara_hls import HlsSource, PlaylistInvalid
from kithara_hls._parse import parse_playlist
from kithara_hls._playlist import MediaPlaylist, MultivariantPlaylist
from kithara_net.testing import Server

Record = Callable[..., Any]
Open = Callable[..., HlsSource]

URL = "https://cdn.test/music/list.m3u8?token=a%2Fb&empty="


def parse(*lines: str, url: str = URL, **variables: str) -> MultivariantPlaylist | MediaPlaylist:
    text = "\n".join(("#EXTM3U", "#EXT-X-PLAYLIST-TYPE:VOD", *lines))
    return parse_playlist(text.encode(), url, variables=variables or None)


def test_variables_stand_in_uris_and_attributes() -> None:
    found = parse(
        '#EXT-X-DEFINE:NAME="host",VALUE="https://other.test"',
        '#EXT-X-DEFINE:NAME="part",VALUE="{$host}"',
        '#EXT-X-DEFINE:QUERYPARAM="token"',
        '#EXT-X-DEFINE:IMPORT="folder"',
        '#EXT-X-KEY:METHOD=AES-128,URI="{$host}/k?{$token}",IV=0x{$iv}'.replace("{$iv}", "0" * 32),
        '#EXT-X-MAP:URI="{$folder}/i.mp4"',
        "#EXTINF:6,{$host}",
        "{$folder}/1.m4s?t={$token}",
        folder="album",
    )
    assert isinstance(found, MediaPlaylist)
    (segment,) = found.segments
    assert segment.url == "https://cdn.test/music/album/1.m4s?t=a/b"
    assert segment.key is not None
    assert segment.key.url == "https://other.test/k?a/b"
    assert segment.init is not None
    assert segment.init.url == "https://cdn.test/music/album/i.mp4"


def test_values_are_put_in_once() -> None:
    found = parse('#EXT-X-DEFINE:NAME="a",VALUE="%7B$a}"', "#EXTINF:1,", "{$a}")
    assert isinstance(found, MediaPlaylist)
    assert found.segments[0].url == "https://cdn.test/music/%7B$a}"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["#EXTINF:6,", "{$unknown}.ts"], "not defined"),
        (['#EXT-X-DEFINE:NAME="a",VALUE="b"', '#EXT-X-DEFINE:NAME="a",VALUE="c"'], "twice"),
        (['#EXT-X-DEFINE:NAME="a"'], "no VALUE"),
        (['#EXT-X-DEFINE:NAME="a b",VALUE="c"'], "no name"),
        (['#EXT-X-DEFINE:NAME="a",IMPORT="b",VALUE="c"'], "one of NAME"),
        (['#EXT-X-DEFINE:VALUE="c"'], "one of NAME"),
        (['#EXT-X-DEFINE:IMPORT="a"'], "multivariant"),
        (['#EXT-X-DEFINE:QUERYPARAM="gone"'], "query parameter"),
        (['#EXT-X-DEFINE:QUERYPARAM="empty"'], "query parameter"),
    ],
)
def test_a_wrong_variable_is_an_error_that_shows_no_value(lines: list[str], reason: str) -> None:
    with pytest.raises(PlaylistInvalid, match=reason) as caught:
        parse(*lines, "#EXTINF:6,", "1.ts")
    assert caught.value.line is not None
    assert "a/b" not in str(caught.value)


async def test_a_media_playlist_imports_from_the_one_that_led_to_it(
    record: Record, source: Open, server: Server
) -> None:
    made = record().segment("1.ts")
    text = "#EXTM3U\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-DEFINE:IMPORT=n\n#EXTINF:2,\n{$n}.ts\n"
    server.add("/music/list.m3u8", text.encode())
    master = (
        '#EXTM3U\n#EXT-X-DEFINE:NAME="n",VALUE="1"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmusic/list.m3u8'
    )
    server.add("/master.m3u8", master.encode())
    for offline in (False, True):
        async with source(server.url("/master.m3u8"), offline=offline) as session:
            assert await asyncio.to_thread(session.reader().read) == made.parts[0]
    with pytest.raises(PlaylistInvalid):
        await source(server.url("/music/list.m3u8")).open()


async def test_where_to_begin(record: Record, source: Open) -> None:
    for offset, start in (("5.5", 5.5), ("-2", 8.0), ("99", 10.0), ("-99", 0.0), ("soon", None)):
        made = record(f"/at{offset}")
        made.lines.append(f"#EXT-X-START:TIME-OFFSET={offset},PRECISE=YES")
        for number in range(4):
            made.segment(f"{number}.ts")
        async with source(made.publish().url) as session:
            assert session.start == start


async def test_content_steering_tells_which_pathway_comes_first(
    record: Record, source: Open, server: Server
) -> None:
    made = {
        name: record(f"/{name}", seed=i).segment("1.ts").publish() for i, name in enumerate("ab")
    }
    lines = ["#EXTM3U", '#EXT-X-CONTENT-STEERING:SERVER-URI="/steer.json",PATHWAY-ID="b"']
    for name in "ab":
        lines += [f'#EXT-X-STREAM-INF:BANDWIDTH=9,PATHWAY-ID="{name}"', f"/{name}/list.m3u8"]
    server.add("/master.m3u8", "\n".join(lines).encode())
    for variant in ("auto", "best"):
        async with source(server.url("/master.m3u8"), variant=variant) as session:
            assert await asyncio.to_thread(session.reader().read) == made["b"].clear
    for path in made["b"].resources.values():
        path.behaviour = {"status": 404}
    server.add("/other.m3u8", "\n".join(lines).encode())
    async with source(server.url("/other.m3u8")) as session:
        assert await asyncio.to_thread(session.reader().read) == made["a"].clear
    assert server.requests_for("/steer.json") == []


@pytest.mark.parametrize("explicit", [False, True])
async def test_aes_256(record: Record, source: Open, server: Server, explicit: bool) -> None:
    made = record().use_key("k.key", explicit=explicit, bits=256).segment("1.ts").segment("2.ts")
    made.publish()
    async with source(made.url) as session:
        assert await asyncio.to_thread(session.reader().read) == made.clear
    async with source(made.url, offline=True) as session:
        assert await asyncio.to_thread(session.reader().read) == made.clear
