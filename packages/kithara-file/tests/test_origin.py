import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from kithara_assets import AssetId, DiskAssetStore, ResourceKey
from kithara_file import NotMedia
from kithara_file._origin import HttpOrigin, shown
from kithara_file._resumption import Resumption
from kithara_net import (
    BodyTruncated,
    ContentChanged,
    HttpClient,
    RangeNotSatisfiable,
    RangeSpec,
)
from kithara_net.testing import Behaviour, Server
from kithara_stream import OriginBody

PAGE = b"<!DOCTYPE html><title>gone</title>" + bytes(2000)
PLAYLIST = b"#EXTM3U\n#EXT-X-VERSION:3\n" + bytes(2000)
TUESDAY = "Tue, 07 Jan 2025 10:00:00 GMT"


@pytest.fixture(autouse=True)
async def all_closed(server: Server, net: HttpClient) -> AsyncIterator[None]:
    yield
    await net.aclose()
    await server.wait_for(lambda: server.connections == 0)


async def bytes_of(body: OriginBody) -> bytes:
    return b"".join([chunk async for chunk in body])


@pytest.fixture
def nothing(store: DiskAssetStore) -> Iterator[Resumption]:
    """No version is known, so any will do."""
    key = ResourceKey(AssetId.from_url("http://h/a.mp3").asset_root, "a.mp3")
    with store.open_streaming_resource(key, resume=True) as resource:
        yield Resumption(resource)


async def fetch(origin: HttpOrigin, start: int = 0, stop: int | None = None) -> bytes:
    async with origin.open(start, stop) as body:
        assert body.head.start == start
        return await bytes_of(body)


def test_an_address_is_shown_without_secrets() -> None:
    assert shown("https://me:pass@host:8/a/b.mp3?token=1#f") == "https://host:8/a/b.mp3"


async def test_ranges_of_one_version_belong_together(
    server: Server, net: HttpClient, song: bytes, nothing: Resumption
) -> None:
    server.add("/a.mp3", song)
    origin = HttpOrigin(net, server.url("/a.mp3?token=1"), {"X-Who": "me"}, nothing)
    assert await fetch(origin) == song
    assert await fetch(origin, 1000, 2000) == song[1000:2000]
    assert origin.media_type == "audio/mpeg"
    assert origin.final_url == server.url("/a.mp3?token=1")
    assert [r.headers["X-Who"] for r in server.requests] == ["me", "me"]


async def test_the_final_address_is_that_after_redirects(
    server: Server, net: HttpClient, song: bytes, nothing: Resumption
) -> None:
    server.add("/there.mp3", song)
    server.add("/here.mp3", redirect=server.url("/there.mp3"))
    origin = HttpOrigin(net, server.url("/here.mp3"), {}, nothing)
    assert origin.media_type is None
    assert origin.final_url.endswith("/here.mp3")
    assert await fetch(origin) == song
    assert origin.final_url == server.url("/there.mp3")


@pytest.mark.parametrize("tags", [("one", "two"), ("", "")])
async def test_another_version_is_refused_before_its_bytes(
    server: Server, net: HttpClient, song: bytes, nothing: Resumption, tags: tuple[str, str]
) -> None:
    """By the entity tag at the same size, by the size where there is no tag."""
    resource = server.add("/a.mp3", song, etag=tags[0])
    origin = HttpOrigin(net, server.url("/a.mp3?token=1"), {}, nothing)
    await fetch(origin, 0, 100)
    resource.content, resource.etag = (bytes(len(song) + (not tags[0]))), tags[1]
    with pytest.raises(ContentChanged) as caught:
        await fetch(origin, 100, 200)
    assert "token" not in str(caught.value)
    assert caught.value.total_before == len(song)
    change = caught.value
    assert (change.before, change.total_before) != (change.after, change.total_after)


async def test_another_date_is_another_version(
    server: Server, net: HttpClient, song: bytes, nothing: Resumption
) -> None:
    resource = server.add("/a.mp3", song, etag="", last_modified=TUESDAY)
    origin = HttpOrigin(net, server.url("/a.mp3"), {}, nothing)
    assert await fetch(origin, 0, 100) == song[:100]
    assert await fetch(origin, 100, 200) == song[100:200]
    resource.last_modified = TUESDAY.replace("10:", "11:")
    with pytest.raises(ContentChanged):
        await fetch(origin, 200, 300)


async def test_a_date_that_grew_strong_meanwhile_is_the_same_date(
    server: Server, net: HttpClient, song: bytes, nothing: Resumption
) -> None:
    """A date within the second of the answer is no strong validator; a second later it is."""
    resource = server.add("/a.mp3", song, etag="", last_modified=TUESDAY)
    resource.behaviour = {"headers": {"Date": TUESDAY}}
    origin = HttpOrigin(net, server.url("/a.mp3"), {}, nothing)
    await fetch(origin, 0, 100)
    resource.behaviour = {"headers": {"Date": TUESDAY.replace("10:", "11:")}}
    assert await fetch(origin, 100, 200) == song[100:200]


async def test_a_range_outside_a_file_that_shrank_tells_of_the_change(
    server: Server, net: HttpClient, song: bytes, nothing: Resumption
) -> None:
    resource = server.add("/a.mp3", song)
    origin = HttpOrigin(net, server.url("/a.mp3"), {}, nothing)
    await fetch(origin, 0, 100)
    resource.content = song[:1000]
    with pytest.raises(ContentChanged) as caught:
        await fetch(origin, 5000, None)
    assert caught.value.total_after == 1000


async def test_a_range_outside_the_same_file_is_as_net_says(
    server: Server, net: HttpClient, song: bytes, nothing: Resumption
) -> None:
    server.add("/a.mp3", song)
    origin = HttpOrigin(net, server.url("/a.mp3"), {}, nothing)
    await fetch(origin, 0, 100)
    with pytest.raises(RangeNotSatisfiable):
        await fetch(origin, len(song))


async def test_a_total_that_is_told_once_only_is_no_change(
    server: Server, net: HttpClient, song: bytes, nothing: Resumption
) -> None:
    server.add("/a.mp3", song, script=[{"total_unknown": True}, {"chunked": True}])
    origin = HttpOrigin(net, server.url("/a.mp3"), {}, nothing)
    assert await fetch(origin) == song
    assert await fetch(origin, 100, 200) == song[100:200]


async def test_a_part_of_unknown_whole_is_asked_for_whole(
    server: Server, net: HttpClient, song: bytes, nothing: Resumption
) -> None:
    """A part may end anywhere: only the end of the whole proves the end of the file."""
    part: Behaviour = {
        "status": 206, "content_range": "bytes 0-999/*", "content_length": 1000, "cut_after": 1000,
    }  # fmt: skip
    server.add("/a.mp3", song, script=[part])
    origin = HttpOrigin(net, server.url("/a.mp3"), {}, nothing)
    assert await fetch(origin) == song
    assert [r.byte_range for r in server.requests] == [RangeSpec(0), None]


@pytest.mark.parametrize(("page", "container"), [(PAGE, "html"), (PLAYLIST, "hls")])
@pytest.mark.parametrize("split", [None, 1, 7])
async def test_a_page_is_refused_by_its_first_bytes(
    server: Server,
    net: HttpClient,
    nothing: Resumption,
    page: bytes,
    container: str,
    split: int | None,
) -> None:
    """Also where those bytes come one by one."""
    server.add("/other.bin", b"something")
    resource = server.add("/a.mp3", page)
    if split is not None:
        resource.behaviour = {"stall_after": split}
    got = asyncio.create_task(fetch(HttpOrigin(net, server.url("/a.mp3"), {}, nothing)))
    await server.wait_for(lambda: bool(server.requests) and server.requests[0].sent >= (split or 1))
    # After an answer that was sent later, the first piece has been met.
    async with net.stream(server.url("/other.bin")) as other:
        await bytes_of(other)
    resource.release()
    with pytest.raises(NotMedia) as caught:
        await got
    assert caught.value.container == container


@pytest.mark.parametrize("size", [1, 500, 1023, 1024, 1025])
async def test_small_files_pass_whole(
    server: Server, net: HttpClient, song: bytes, nothing: Resumption, size: int
) -> None:
    server.add("/a.mp3", song[:size])
    assert await fetch(HttpOrigin(net, server.url("/a.mp3"), {}, nothing)) == song[:size]


async def test_what_came_before_a_break_is_handed_on(
    server: Server, net: HttpClient, song: bytes, nothing: Resumption
) -> None:
    server.add("/a.mp3", song, cut_after=10)
    async with HttpOrigin(net, server.url("/a.mp3"), {}, nothing).open(0, None) as body:
        pieces = aiter(body)
        assert await anext(pieces) == song[:10]
        with pytest.raises(BodyTruncated):
            await anext(pieces)


async def test_a_declared_page_is_refused_whatever_it_looks_like(
    server: Server, net: HttpClient, nothing: Resumption
) -> None:
    server.add("/a.mp3", b"<!-- no doctype --><p>Please log in", media_type="text/html; charset=x")
    with pytest.raises(NotMedia) as caught:
        await fetch(HttpOrigin(net, server.url("/a.mp3"), {}, nothing))
    assert caught.value.container == "html"


async def test_media_that_is_declared_a_page_is_media(
    server: Server, net: HttpClient, song: bytes, nothing: Resumption
) -> None:
    server.add("/a.mp3", song, media_type="text/html")
    assert await fetch(HttpOrigin(net, server.url("/a.mp3"), {}, nothing)) == song


@pytest.mark.parametrize(
    "behaviour", [{"ignore_range": True}, {}, {"ignore_range": True, "chunked": True}]
)
async def test_nothing_is_no_media(
    server: Server, net: HttpClient, nothing: Resumption, behaviour: Behaviour
) -> None:
    """A 200 of length 0, a 416, a body that ends before it began."""
    server.add("/a.mp3", b"", **behaviour)
    with pytest.raises(NotMedia) as caught:
        await fetch(HttpOrigin(net, server.url("/a.mp3"), {}, nothing))
    assert caught.value.container is None
