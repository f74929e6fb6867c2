import asyncio
import io
import os
from pathlib import Path

import pytest

from kithara_file import Complete, FileSource, MediaKnown, NotMedia, Unreadable
from kithara_file._local import local_path
from kithara_stream import Cancelled, Interrupted, MediaInfo


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/a/b c.mp3", "/a/b c.mp3"),
        ("b.mp3", "b.mp3"),
        ("file:///a/b%20c.mp3", "/a/b c.mp3"),
        ("file://localhost/a.mp3", "/a.mp3"),
        ("c:\\a.mp3", "c:\\a.mp3"),
        ("http://h/a.mp3", None),
        ("file://h/a.mp3", None),
        ("//h/a.mp3", None),
    ],
)
def test_what_is_local(url: str, path: str | None) -> None:
    assert local_path(url) == (None if path is None else Path(path))


@pytest.mark.parametrize("kind", ["path", "text", "url"])
async def test_a_local_file_is_read_where_it_is(tmp_path: Path, song: bytes, kind: str) -> None:
    path = tmp_path / "a b.mp3"
    path.write_bytes(song)
    urls: dict[str, str | Path] = {"path": path, "text": os.fspath(path), "url": path.as_uri()}
    url = urls[kind]
    async with FileSource(url) as session:
        assert session.length == len(song)
        assert session.media_info == MediaInfo(container="mp3")
        assert session.stats.bytes_cached == len(song)
        reader = session.reader()
        assert reader.seek(-10, io.SEEK_END) == len(song) - 10
        assert reader.read() == song[-10:]
        assert reader.read() == b""
        reader.seek(len(song) + 5)
        assert reader.read() == b""
        assert [span.read() for span in session.reader().spans()] == [song]
        await session.wait_complete()
        session.pause()
        session.resume()
        view = session.source()
        view.interrupt()
        with pytest.raises(Interrupted):
            view.wait_range(0, 1)
        view.proceed()
        assert view.wait_range(0, 1) == "ready"
        events = session.events()
    known = MediaKnown(media_info=session.media_info, length=len(song))
    assert [e async for e in events] == [
        known,
        Complete(length=len(song), media_info=session.media_info),
    ]
    for late in (reader, session.reader()):
        with pytest.raises(Cancelled):
            late.read(1)


async def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="No such file") as caught:
        await FileSource(tmp_path / "none.mp3").open()
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    with pytest.raises(Unreadable):
        await FileSource(tmp_path).open()


@pytest.mark.parametrize(
    ("content", "container"), [(b"", None), (b"<html>", "html"), (b"#EXTM3U\n", "hls")]
)
async def test_what_is_no_media_is_refused(
    tmp_path: Path, content: bytes, container: str | None
) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    with pytest.raises(NotMedia) as caught:
        await FileSource(path).open()
    assert caught.value.container == container


async def test_a_file_that_becomes_shorter_is_an_error_not_an_end(
    tmp_path: Path, song: bytes
) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(song)
    async with FileSource(path) as session:
        reader = session.reader()
        assert await asyncio.to_thread(reader.read, 100) == song[:100]
        os.truncate(path, 50_000)
        with pytest.raises(Unreadable, match="shorter"):
            reader.read()
        assert reader.tell() == 100
