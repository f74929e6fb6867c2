import asyncio
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kithara_net.testing
from kithara_net import HttpClient, RangeSpec
from kithara_net.testing import (
    CHANGED_CONTENT,
    FAULT_CONTENT,
    FAULT_SIZE,
    FAULTS,
    GeneratedContent,
    Server,
    ThreadedServer,
    pattern_bytes,
)


def get(url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """One request by the standard library: an eye that is not ours."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=named)) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)


@given(st.integers(0, 1000), st.integers(0, 300))
def test_the_pattern_is_the_same_from_everywhere(start: int, size: int) -> None:
    assert pattern_bytes(start, start + size) == pattern_bytes(0, 1300)[start : start + size]
    assert pattern_bytes(8 * 0x0102, 8 * 0x0102 + 8) == bytes([0, 0, 0, 0, 0, 0, 1, 2])


def test_public_names() -> None:
    for name in kithara_net.testing.__all__:
        assert getattr(kithara_net.testing, name) is not None


@pytest.mark.parametrize("kind", ["bytes", "file", "generated"])
def test_an_independent_client_gets_ranges(tmp_path: Path, kind: str) -> None:
    content: bytes | Path | GeneratedContent = pattern_bytes(0, 200_000)
    if kind == "file":
        (tmp_path / "a.mp3").write_bytes(pattern_bytes(0, 200_000))
        content = tmp_path / "a.mp3"
    elif kind == "generated":
        content = GeneratedContent(200_000)
    with ThreadedServer() as server:
        server.add("/a.mp3", content, last_modified="Sun, 22 Nov 2026 12:00:00 GMT")
        url = server.url("/a.mp3")
        status, body, headers = get(url)
        assert (status, body) == (200, pattern_bytes(0, 200_000))
        assert headers["Content-Type"] == "audio/mpeg"
        etag = headers["ETag"]
        for text, start, stop in (
            ("bytes=0-0", 0, 1),
            ("bytes=5-", 5, 200_000),
            ("bytes=199999-300000", 199_999, 200_000),
            ("bytes=-7", 199_993, 200_000),
            ("bytes=-300000", 0, 200_000),
        ):
            status, body, headers = get(url, Range=text)
            assert (status, body) == (206, pattern_bytes(start, stop))
            assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/200000"
        for text in ("bytes=200000-", "bytes=-0"):
            status, _, headers = get(url, Range=text)
            assert (status, headers["Content-Range"]) == (416, "bytes */200000")
        for text in ("bytes=5-2", "bytes=1-2,5-6", "items=0-1", "bytes=x-"):
            assert get(url, Range=text)[0] == 200
        assert get(url, Range="bytes=1-2", If_Range=etag)[0] == 206
        assert get(url, Range="bytes=1-2", If_Range="Sun, 22 Nov 2026 12:00:00 GMT")[0] == 206
        assert get(url, Range="bytes=1-2", If_Range='"other"')[0] == 200


def test_records_and_waiting() -> None:
    with ThreadedServer() as server:
        server.add("/a", b"abc")
        server.add("/a?special", b"special")
        assert get(server.url("/a?x=1"), Range="bytes=1-")[1] == b"bc"
        assert get(server.url("/a?special"))[1] == b"special"
        assert get(server.url("/b"))[0] == 404
        server.wait(lambda: server.connections == 0)
        first = server.requests_for("/a")[0]
        assert (first.method, first.path, first.query) == ("GET", "/a", "x=1")
        assert first.byte_range == RangeSpec(1)
        assert (first.status, first.sent, first.finished, first.connection) == (206, 2, True, 1)
        assert "x=1" not in repr(first)
        assert server.connections_opened == 3
        with pytest.raises(TimeoutError):
            server.wait(lambda: False, timeout=0.01)


def test_a_script_is_followed_then_the_behaviour() -> None:
    with ThreadedServer() as server:
        server.add("/a", b"abc", script=[{"status": 503}, {"status": 429}], etag="")
        assert [get(server.url("/a"))[0] for _ in range(3)] == [503, 429, 200]
        assert "ETag" not in get(server.url("/a"))[2]
        rotating = server.add("/r", b"abc", rotate_etag=True)
        assert get(server.url("/r"))[2]["ETag"] != get(server.url("/r"))[2]["ETag"]
        assert rotating.answers == 2


def test_a_directory_is_served_and_nothing_outside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "sub dir").mkdir(parents=True)
    (root / "sub dir" / "ä.m3u8").write_bytes(b"#EXTM3U\n")
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "link").symlink_to(tmp_path / "secret")
    with ThreadedServer() as server:
        server.serve_directory(root, "/files")
        status, body, headers = get(server.url("/files/sub%20dir/%C3%A4.m3u8"))
        assert (status, body) == (200, b"#EXTM3U\n")
        assert headers["Content-Type"] == "application/vnd.apple.mpegurl"
        for path in (
            "/files/../secret",
            "/files/%2e%2e/secret",
            "/files/link",
            "/files/sub%20dir",
            "/files/%2Fetc/passwd",
            "/etc/passwd",
        ):
            assert get(server.url(path))[0] == 404


def test_methods_and_hanging_up() -> None:
    with ThreadedServer() as server:
        server.add("/a", b"abc")
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"POST /a HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 405 ")
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"nonsense\r\n\r\n")
            assert client.recv(100) == b""
        server.wait(lambda: server.connections == 0)


def test_a_stall_is_released_from_any_thread_and_ends_when_the_client_goes() -> None:
    with ThreadedServer() as server:
        resource = server.add("/a", b"abcdef", stall_after=3)
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"GET /a HTTP/1.1\r\n\r\n")
            server.wait(lambda: bool(server.requests) and server.requests[0].sent == 3)
        server.wait(lambda: server.connections == 0)
        threading.Timer(0, resource.release).start()
        assert get(server.url("/a"))[1] == b"abcdef"


def test_the_thread_ends_and_the_port_is_free() -> None:
    before = set(threading.enumerate())
    server = ThreadedServer()
    server.close()
    with server:
        server.add("/a", b"x", stall_head=True)
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(b"GET /a HTTP/1.1\r\n\r\n")
        server.wait(lambda: len(server.requests) == 1)
    assert client.recv(1) == b""
    client.close()
    assert set(threading.enumerate()) == before
    server.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port))
    with pytest.raises(RuntimeError):
        server.wait(lambda: True)


async def test_the_throttle_is_shared_by_all_connections(
    client: HttpClient, server: Server
) -> None:
    server.bytes_per_second = 1_000_000
    assert server.bytes_per_second == 1_000_000
    server.add("/a", GeneratedContent(100_000))
    started = time.monotonic()
    await asyncio.gather(*(client.get_bytes(server.url("/a")) for _ in range(3)))
    assert time.monotonic() - started > 0.28
    server.bytes_per_second = None
    await client.get_bytes(server.url("/a"))


async def test_closing_twice_and_a_wait_that_is_cancelled() -> None:
    server = Server()
    await server.aclose()
    async with server:
        waiting = asyncio.create_task(server.wait_for(lambda: False))
        server.add("/a")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await server.aclose()


def test_another_version_in_one_answer() -> None:
    with ThreadedServer() as server:
        server.add(
            "/a",
            b"old",
            last_modified="Sun, 22 Nov 2026 12:00:00 GMT",
            script=[
                {"new_content": b"new!", "new_last_modified": ""},
                {"new_etag": ""},
                {"new_etag": "W/x"},
                {"omit": ["ETag", "Accept-Ranges"]},
            ],
        )
        answers = [get(server.url("/a")) for _ in range(5)]
    assert [body for _, body, _ in answers] == [b"new!", b"old", b"old", b"old", b"old"]
    first, bare, weak, short, plain = (headers for _, _, headers in answers)
    assert first["ETag"] != plain["ETag"]
    assert "Last-Modified" not in first
    assert "ETag" not in bare
    assert weak["ETag"] == "W/x"
    assert "ETag" not in short
    assert "Accept-Ranges" not in short
    assert {"ETag", "Accept-Ranges", "Date"} <= plain.keys()


def test_lies_about_a_range() -> None:
    with ThreadedServer() as server:
        server.add("/a", pattern_bytes(0, 1000), script=[{"shift": 8}, {"shift": 8}])
        status, body, headers = get(server.url("/a"), Range="bytes=16-31")
        assert (status, headers["Content-Range"]) == (206, "bytes 16-31/1000")
        assert body == pattern_bytes(24, 40)
        assert get(server.url("/a"))[1] == pattern_bytes(0, 1000)
        server.add("/parts", pattern_bytes(0, 1000), multipart=True)
        status, body, headers = get(server.url("/parts"), Range="bytes=16-31")
        assert status == 206
        assert "Content-Range" not in headers
        assert headers["Content-Type"].startswith("multipart/byteranges; boundary=")
        assert b"Content-Range: bytes 16-31/1000\r\n\r\n" + pattern_bytes(16, 32) in body


def test_http_1_0() -> None:
    with ThreadedServer() as server:
        server.add("/a", b"abc", http10=True)
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
            answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"Content-Length: 3\r\n" in answer
    assert answer.endswith(b"\r\n\r\nabc")


async def test_a_drip(server: Server, client: HttpClient) -> None:
    server.add("/a", pattern_bytes(0, 1000), piece_size=7)
    async with client.stream(server.url("/a")) as body:
        assert len(await anext(body.__aiter__())) % 7 == 0
    server.add("/slow", pattern_bytes(0, 1000), bytes_per_second=100_000)
    started = time.perf_counter()
    assert (await client.get_bytes(server.url("/slow"))).body == pattern_bytes(0, 1000)
    assert time.perf_counter() - started >= 0.009


def test_every_fault_has_a_name_of_its_own() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names) >= 40
    with ThreadedServer() as server:
        FAULTS[0].add_to(server, "/a")
        assert get(server.url("/a"))[1] == FAULT_CONTENT
    assert len(CHANGED_CONTENT) == len(FAULT_CONTENT) == FAULT_SIZE
    assert CHANGED_CONTENT != FAULT_CONTENT
