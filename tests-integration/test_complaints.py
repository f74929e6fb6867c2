"""What goes wrong ends in one clear line with the URL and the cause, and a non-zero exit."""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import CommandLine
from kithara_net.testing import ThreadedServer
from servers import free_port

PAGE = b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n" * 50


@pytest.fixture
def server() -> Iterator[ThreadedServer]:
    with ThreadedServer() as server:
        server.add("/noise.mp3", random.Random(7).randbytes(200_000))
        server.add("/text.mp3", b"this is no audio file at all\n" * 400)
        server.add("/page.mp3", PAGE, media_type="text/html")
        server.add("/page-as-audio.mp3", PAGE, media_type="audio/mpeg")
        server.add("/empty.mp3", b"")
        server.add("/page.m3u8", PAGE, media_type="text/html")
        server.add("/empty.m3u8", b"")
        server.add("/noise.m3u8", random.Random(8).randbytes(3000))
        server.add("/gone.mp3", b"gone", status=404)
        server.add("/cut.mp3", b"ID3" + bytes(500_000), cut_after=1000)
        server.add("/live.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.aac\n")
        server.add(
            "/drm.m3u8",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n"
            b'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"\n#EXTINF:6,\na.aac\n#EXT-X-ENDLIST\n',
        )
        server.add(
            "/missing-segment.m3u8",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nnot-there.aac\n#EXT-X-ENDLIST\n",
        )
        yield server


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("/noise.mp3", "no audio format"),
        ("/text.mp3", "no audio format"),
        ("/page.mp3", "HTML page"),
        ("/page-as-audio.mp3", "HTML page"),
        ("/empty.mp3", "empty"),
        ("/page.m3u8", "HTML"),
        ("/empty.m3u8", "empty"),
        ("/noise.m3u8", "not UTF-8"),
        ("/gone.mp3", "404"),
        ("/never.m3u8", "404"),
        ("/cut.mp3", "broke off after 1000 of 500003"),
        ("/live.m3u8", "live"),
        ("/drm.m3u8", "SAMPLE-AES"),
        ("/missing-segment.m3u8", "404"),
    ],
)
def test_one_line_with_the_url_and_the_cause(
    path: str, cause: str, server: ThreadedServer, kithara_cli: CommandLine
) -> None:
    ran = kithara_cli("decode", server.url(path), "-o", "out.wav", "--retries", "0")
    assert ran.code == 1
    assert ran.out == ""
    lines = ran.err.splitlines()
    assert len(lines) == 1, ran.err
    where = "/not-there.aac" if "missing" in path else path
    assert server.url(where) in lines[0]
    assert cause in lines[0]
    assert list(kithara_cli.folder.iterdir()) == []


@pytest.mark.parametrize("path", ["/page.mp3", "/page-as-audio.mp3", "/empty.mp3", "/page.m3u8"])
def test_a_page_in_place_of_audio_is_not_kept(
    path: str, server: ThreadedServer, kithara_cli: CommandLine
) -> None:
    kithara_cli("decode", server.url(path), "-o", "out.wav")
    kept = [p for p in kithara_cli.cache.rglob("*") if p.is_file() and "_index" not in p.parts]
    assert [p.name for p in kept] == ["CACHEDIR.TAG"]


def test_a_refused_connection(kithara_cli: CommandLine) -> None:
    url = f"http://127.0.0.1:{free_port()}/a.mp3"
    ran = kithara_cli("decode", url, "-o", "out.wav", "--retries", "1")
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert url in ran.err
    assert "refused" in ran.err


@pytest.mark.parametrize("url", ["ftp://example.com/a.mp3", "nonsense", "http://", "/a/path.mp3"])
def test_what_is_no_http_url(url: str, kithara_cli: CommandLine) -> None:
    ran = kithara_cli("info", url)
    assert ran.code == 1
    assert "not an http or https URL" in ran.err
    assert ran.err.count("\n") == 1


def test_a_query_is_never_shown(server: ThreadedServer, kithara_cli: CommandLine) -> None:
    ran = kithara_cli("decode", server.url("/never.mp3?token=secret"), "-o", "out.wav")
    assert ran.code == 1
    assert "secret" not in ran.err + ran.out


@pytest.mark.parametrize(
    "words",
    [
        ["decode", "http://127.0.0.1/a.mp3"],
        ["decode", "http://127.0.0.1/a.mp3", "-o", "no/such/folder/out.wav"],
        ["decode", "http://127.0.0.1/a.mp3", "-o", "."],
        ["decode", "http://127.0.0.1/a.mp3", "-o", "out.wav", "--variant", "loudest"],
        ["info"],
    ],
)
def test_wrong_usage_is_exit_code_2(words: list[str], kithara_cli: CommandLine) -> None:
    ran = kithara_cli(*words)
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_a_variant_that_is_not_there(media: Path, kithara_cli: CommandLine) -> None:
    with ThreadedServer() as server:
        server.serve_directory(media)
        ran = kithara_cli("info", server.url("/fmp4/master.m3u8"), "--variant", "7")
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert "7" in ran.err


def without(module: str, error: str, folder: Path) -> dict[str, str]:
    """An environment that hides a module: one that fails comes first on the path."""
    folder.mkdir()
    (folder / f"{module}.py").write_text(f"raise {error}")
    return {"PYTHONPATH": str(folder)}


def test_without_the_av_extra_the_error_names_it(
    media: Path, kithara_cli: CommandLine, tmp_path: Path
) -> None:
    environment = without(
        "av", "ModuleNotFoundError(\"No module named 'av'\", name='av')", tmp_path / "no"
    )
    with ThreadedServer() as server:
        server.serve_directory(media)
        url = server.url("/fmp4/master.m3u8")
        ran = kithara_cli.run_apart("decode", url, "-o", "out.wav", environment=environment)
        assert ran.code == 1
        assert "kithara-decode[av]" in ran.err
        assert url in ran.err
        assert ran.err.count("\n") == 1
        url = server.url("/melody.mp3")
        assert (
            kithara_cli.run_apart("decode", url, "-o", "out.wav", environment=environment).code == 0
        )


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("ModuleNotFoundError(\"No module named 'sounddevice'\")", "kithara[play]"),
        ("OSError('PortAudio library not found')", "libportaudio2"),
    ],
)
def test_playing_without_what_it_needs_names_that(
    error: str, remedy: str, media: Path, kithara_cli: CommandLine, tmp_path: Path
) -> None:
    environment = without("sounddevice", error, tmp_path / "no")
    with ThreadedServer() as server:
        server.serve_directory(media)
        ran = kithara_cli.run_apart("play", server.url("/melody.mp3"), environment=environment)
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert remedy in ran.err


@pytest.mark.skipif(sys.platform != "linux", reason="ALSA can be told that its card is gone")
def test_playing_without_an_audio_device(
    media: Path, kithara_cli: CommandLine, tmp_path: Path
) -> None:
    conf = tmp_path / "asound.conf"
    conf.write_text("pcm.!default { type hw card 99 }\nctl.!default { type hw card 99 }\n")
    environment = {"ALSA_CONFIG_PATH": f"/usr/share/alsa/alsa.conf:{conf}"}
    ran = kithara_cli.run_apart("play", str(media / "melody.mp3"), environment=environment)
    assert ran.code == 1
    assert "there is no audio device" in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err
