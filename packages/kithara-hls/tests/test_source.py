import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kithara_assets import DiskAssetStore, OfflineMiss
from kithara_hls import (
    HlsOptions,
    HlsSource,
    PlaylistInvalid,
    PlaylistLimit,
    SegmentInvalid,
    UnsupportedHls,
    VariantMissing,
)
from kithara_net import BodyTooLarge, HttpClient, RetryPolicy
from kithara_net.testing import Server

Record = Callable[..., Any]
Open = Callable[..., HlsSource]

LADDER = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="own",NAME="no",URI="/no/list.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="own",NAME="yes",DEFAULT=YES,AUTOSELECT=YES,URI="/yes/list.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="muxed",NAME="in",DEFAULT=YES
#EXT-X-STREAM-INF:BANDWIDTH=200,CODECS="avc1.4d401e,mp4a.40.2"
/middle/list.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=100,AUDIO="muxed"
/low/list.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=900,URI="/never/list.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=300,AUDIO="own"
/high/list.m3u8
"""


async def content(source: HlsSource) -> bytes:
    async with source as session:
        return await asyncio.to_thread(session.reader().read)


@pytest.mark.parametrize(
    ("variant", "index", "folder", "name"),
    [
        ("best", 2, "/yes", "audio_1"),
        ("worst", 1, "/low", "variant_1"),
        (0, 0, "/middle", "variant_0"),
    ],
)
async def test_the_variant_asked_for_and_its_audio(
    record: Record,
    source: Open,
    server: Server,
    store: DiskAssetStore,
    variant: Any,
    index: int,
    folder: str,
    name: str,
) -> None:
    made = record(folder).segment("1.ts").publish()
    master = server.add("/master.m3u8", LADDER.encode(), encoding="gzip")
    url = server.url("/master.m3u8")
    async with source(url, variant=variant) as session:
        assert len(session.variants) == 3
        assert session.variant == session.variants[index]
        assert session.media_info.codec == ("mp4a.40.2" if index == 0 else None)
        assert await asyncio.to_thread(session.reader().read) == made.clear
    assert [r.path for r in server.requests] == [
        "/master.m3u8",
        f"{folder}/list.m3u8",
        f"{folder}/1.ts",
    ]
    (kept,) = store.root.glob("*/master.m3u8")
    assert kept.read_bytes() == master.content
    assert (kept.parent / f"{name}.m3u8").exists()
    assert await content(source(url, variant=variant, offline=True)) == made.clear


async def test_a_variant_that_does_not_exist(source: Open, server: Server, record: Record) -> None:
    server.add("/master.m3u8", LADDER.encode())
    made = record().segment("1.ts").publish()
    for url, variant, count in ((server.url("/master.m3u8"), 3, 3), (made.url, -1, 1)):
        with pytest.raises(VariantMissing) as caught:
            await source(url, variant=variant).open()
        assert (caught.value.index, caught.value.count) == (variant, count)


async def test_a_variant_must_be_a_media_playlist(source: Open, server: Server) -> None:
    server.add("/low/list.m3u8", LADDER.encode())
    server.add("/master.m3u8", LADDER.encode())
    with pytest.raises(PlaylistInvalid, match="another multivariant"):
        await source(server.url("/master.m3u8"), variant="worst").open()


async def test_urls_resolve_against_the_final_one_also_offline(
    record: Record, source: Open, server: Server, store: DiskAssetStore
) -> None:
    made = record("/deep/er").use_key("k.key", explicit=True).segment("1.ts")
    made.lines[-1] = "../er/1.ts?tok=a/b"
    made.publish()
    start = server.add("/start.m3u8", redirect=made.url + "?token=secret")
    url = server.url("/start.m3u8")
    assert await content(source(url)) == made.clear
    assert start.answers == 1
    (noted,) = store.root.glob("*/master.m3u8.url")
    assert noted.read_text() == made.url
    server.requests.clear()
    assert await content(source(url + "?another=token", offline=True)) == made.clear
    assert server.requests == []
    # Online again with one segment gone: only that is fetched, from where it was.
    (gone,) = store.root.glob("*/segments/master/deep/er/1.ts")
    gone.unlink()
    assert await content(source(url)) == made.clear
    assert [r.path for r in server.requests] == ["/deep/er/1.ts"]


async def test_resources_that_differ_by_query_host_or_range_are_kept_apart(
    record: Record, source: Open, server: Server, store: DiskAssetStore
) -> None:
    bodies = {name: record(seed=i).rng.randbytes(500) for i, name in enumerate("abcd")}
    server.add("/s.ts?n=1", bodies["a"])
    server.add("/s.ts?n=2", bodies["b"])
    server.add("/f.ts", bodies["c"] + bodies["d"])
    other = f"http://localhost:{server.port}"
    text = "\n".join(
        [
            *("#EXTM3U", "#EXT-X-PLAYLIST-TYPE:VOD"),
            *("#EXTINF:1,", "s.ts?n=1", "#EXTINF:1,", "s.ts?n=2"),
            *("#EXT-X-BYTERANGE:500@0", "#EXTINF:1,", "f.ts"),
            *("#EXT-X-BYTERANGE:500", "#EXTINF:1,", "f.ts"),
            *("#EXT-X-BYTERANGE:700@300", "#EXTINF:1,", f"{other}/f.ts"),
        ]
    )
    server.add("/list.m3u8", text.encode())
    expected = b"".join(bodies.values()) + (bodies["c"] + bodies["d"])[300:]
    url = server.url("/list.m3u8")
    assert await content(source(url)) == expected
    ranges = [r.byte_range for r in server.requests_for("/f.ts")]
    assert [(r.start, r.stop) for r in ranges if r] == [(0, 500), (500, 1000), (300, 1000)]
    assert len(list(store.root.glob("*/segments/master/**/*.ts"))) == 5
    assert await content(source(url, offline=True)) == expected


async def test_variants_keep_their_segments_apart(
    record: Record, source: Open, server: Server
) -> None:
    text = "#EXTM3U\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:1,\n/s.ts?q={}"
    bodies = [record(seed=i).rng.randbytes(500) for i in range(2)]
    for i, body in enumerate(bodies):
        server.add(f"/s.ts?q={i}", body)
        server.add(f"/list.m3u8?q={i}", text.format(i).encode())
    lines = [f"#EXT-X-STREAM-INF:BANDWIDTH={i}\nlist.m3u8?q={i}" for i in range(2)]
    server.add("/master.m3u8", "\n".join(["#EXTM3U", *lines]).encode())
    for i, body in enumerate(bodies):
        assert await content(source(server.url("/master.m3u8"), variant=i)) == body


async def test_a_server_that_ignores_ranges_costs_bytes_and_not_truth(
    record: Record, source: Open, server: Server
) -> None:
    whole = record().rng.randbytes(300_000)
    server.add("/f.mp4", whole, ignore_range=True)
    lines = ["#EXTM3U", "#EXT-X-PLAYLIST-TYPE:VOD", '#EXT-X-MAP:URI="f.mp4",BYTERANGE="100@0"']
    lines += ["#EXT-X-BYTERANGE:1000@100", "#EXTINF:1,", "f.mp4"]
    lines += ["#EXT-X-BYTERANGE:98900", "#EXTINF:1,", "f.mp4"]
    server.add("/list.m3u8", "\n".join(lines).encode())
    assert await content(source(server.url("/list.m3u8"))) == whole[:100_000]


async def test_a_range_behind_the_end_is_an_error(
    record: Record, source: Open, server: Server
) -> None:
    server.add("/f.ts", b"x" * 1000)
    lines = [
        "#EXTM3U",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-BYTERANGE:600@500",
        "#EXTINF:1,",
        "f.ts",
    ]
    server.add("/list.m3u8", "\n".join(lines).encode())
    with pytest.raises(SegmentInvalid, match="500 bytes instead of 600"):
        await content(source(server.url("/list.m3u8")))


@pytest.mark.parametrize("end", ["cut_after", "stall_after"])
async def test_a_range_of_which_all_came_but_the_end_of_the_answer_is_not_asked_for_again(
    end: str, source: Open, server: Server
) -> None:
    """The answer is cut off there, or the session ends there and another one follows."""
    body = bytes(range(250)) * 4
    script: Any = [{"chunked": True, end: 600}]
    server.add("/f.ts", body, script=script)
    lines = ["#EXTM3U", "#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-BYTERANGE:600@100", "#EXTINF:1,"]
    server.add("/list.m3u8", "\n".join([*lines, "f.ts"]).encode())
    url = server.url("/list.m3u8")
    if end == "stall_after":
        async with source(url) as session:
            assert await asyncio.to_thread(session.source().wait_range, 0, 600) == "ready"
    retry = RetryPolicy(max_retries=1, base_delay=0.0)
    assert await content(source(url, retry=retry)) == body[100:700]
    assert len(server.requests_for("/f.ts")) == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<html>not found</html>", PlaylistInvalid),
        ("", PlaylistInvalid),
        ("#EXTM3U\n#EXTINF:1,\n1.ts", UnsupportedHls),
        ("#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=k\n#EXTINF:1,\n1.ts", UnsupportedHls),
    ],
)
async def test_a_refused_playlist_is_not_kept_and_leads_to_no_request(
    source: Open, server: Server, store: DiskAssetStore, text: str, error: type[Exception]
) -> None:
    server.add("/list.m3u8", text.encode(), media_type="text/html")
    with pytest.raises(error):
        await source(server.url("/list.m3u8")).open()
    assert [r.path for r in server.requests] == ["/list.m3u8"]
    assert list(store.root.glob("**/*.m3u8*")) == []


async def test_limits(source: Open, server: Server, record: Record) -> None:
    made = record().segment("1.ts").segment("2.ts").publish()
    with pytest.raises(PlaylistLimit):
        await source(made.url, max_segments=1).open()
    with pytest.raises(BodyTooLarge):
        await source(made.url, max_playlist_bytes=10).open()


async def test_offline_a_missing_variant_is_named(
    source: Open, server: Server, record: Record
) -> None:
    for folder in ("/low", "/middle"):
        record(folder).segment("1.ts").publish()
    server.add("/master.m3u8", LADDER.encode())
    url = server.url("/master.m3u8")
    await content(source(url, variant="worst"))
    with pytest.raises(OfflineMiss, match=r"middle/list\.m3u8"):
        await source(url, variant=0, offline=True).open()


async def test_offline_a_variant_that_was_never_had_is_left_for_its_twin(
    record: Record, source: Open, server: Server
) -> None:
    made = record().segment("1.ts").publish()
    line = "#EXT-X-STREAM-INF:BANDWIDTH=1\n"
    server.add("/main.m3u8", f"#EXTM3U\n{line}gone.m3u8\n{line}music/list.m3u8\n".encode())
    for offline in (False, True):
        async with source(server.url("/main.m3u8"), offline=offline) as session:
            assert await asyncio.to_thread(session.reader().read) == made.clear
    assert len(server.requests_for("/gone.m3u8")) == 1
    with pytest.raises(OfflineMiss, match="gone"):
        await source(server.url("/main.m3u8"), variant=0, offline=True).open()


async def test_user_info_goes_along_and_is_never_shown(
    store: DiskAssetStore, net: HttpClient, server: Server, record: Record
) -> None:
    made = record().segment("1.ts").publish()
    url = made.url.replace("http://", "http://me:hidden@")
    async with HlsSource(url, store=store, net=net) as session:
        events = session.events()
        await session.wait_complete()
    assert "hidden" not in repr([event async for event in events])
    assert all("Authorization" in r.headers for r in server.requests)


def test_options_are_checked() -> None:
    for options in ({"look_ahead": -1}, {"variant": "any"}, {"max_segments": 0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            HlsOptions(**options)


async def test_a_source_is_entered_once_at_a_time(source: Open, record: Record) -> None:
    made = source(record().segment("1.ts").publish().url)
    async with made:
        with pytest.raises(RuntimeError, match="open"):
            async with made:
                pass
        await (await made.open()).aclose()
    async with made as session:
        await session.wait_complete()
