import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kithara_assets import asset_store
from kithara_file import Complete, Connected, FileOptions, FileSource, MediaKnown
from kithara_net import UnexpectedStatus
from kithara_net.testing import ThreadedServer
from kithara_stream import Cancelled


@pytest.fixture
def web() -> Iterator[ThreadedServer]:
    with ThreadedServer() as server:
        yield server


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert [t for t in set(threading.enumerate()) - before if "kithara" in t.name] == []


def test_a_program_without_a_loop(web: ThreadedServer, tmp_path: Path, long_song: bytes) -> None:
    web.add("/a.mp3", long_song)
    for asked in (1, 1):
        with asset_store(tmp_path) as store:
            source = FileSource(web.url("/a.mp3"), store=store)
            with source.open_sync() as session:
                assert session.length == len(long_song)
                assert session.media_info.container == "mp3"
                assert session.reader().read() == long_song
                session.wait_complete()
                kinds = []
                for event in session.events():
                    kinds.append(type(event))
                    if isinstance(event, Complete):
                        break
            session.close()
        assert len(web.requests) == asked
    assert kinds == [MediaKnown, Complete]


def test_without_a_store_the_bytes_are_in_memory(web: ThreadedServer, song: bytes) -> None:
    web.add("/a.mp3", song, script=[{"cut_after": 100_000}])
    with FileSource(web.url("/a.mp3")).open_sync() as session:
        reader = session.reader()
        assert reader.read() == song
        session.wait_complete()
        stats = session.stats
        events = session.events()
        assert isinstance(next(events), Connected)
    assert stats.retries == 1
    assert stats.time_to_first_byte is not None
    reader.seek(0)
    with pytest.raises(Cancelled):
        reader.read()


def test_read_ahead_stops_and_goes_on(web: ThreadedServer, long_song: bytes) -> None:
    web.add("/a.mp3", long_song)
    options = FileOptions(look_ahead=50_000)
    with FileSource(web.url("/a.mp3"), options=options).open_sync() as session:
        session.pause()
        view = session.source()
        assert view.wait_range(3_000_000, 3_000_100) == "ready"
        assert session.stats.bytes_received < len(long_song)
        session.resume()
        session.wait_complete()


def test_what_stands_in_the_way_is_raised_and_nothing_left(web: ThreadedServer) -> None:
    with pytest.raises(UnexpectedStatus):
        FileSource(web.url("/none.mp3")).open_sync()
