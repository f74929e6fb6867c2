"""Twelve hard cases of HLS by their number, over real servers: from a URL to bytes and samples."""

import asyncio
import functools
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from commands import ffmpeg_pcm
from hls_media import (
    KEY,
    Samples,
    clear_bytes,
    durations,
    encrypt,
    encrypted,
    first_pts,
    make,
    play,
    segments,
    session,
    sounds_like,
)
from kithara_hls import (
    FailedOver,
    HlsError,
    KeyInvalid,
    PlaylistInvalid,
    SegmentLost,
    SegmentSkipped,
    ThroughputSample,
    UnsupportedHls,
    VariantSelected,
)
from kithara_net import NetOptions, RetryPolicy
from kithara_net.testing import Server
from sample import RATE
from servers import Nginx

NEAR = 1e-4  # of full scale: two builds of FFmpeg's decoder
StartNginx = Callable[[Path], Nginx]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    make(folder)
    return folder


@pytest.fixture(scope="module")
def by_ffmpeg(media: Path) -> Callable[[str], Samples]:
    """How a list of the recordings sounds; each is decoded once."""
    return functools.cache(lambda name: ffmpeg_pcm(media / name))


@pytest.fixture
async def server(media: Path) -> AsyncIterator[Server]:
    async with Server() as running:
        running.serve_directory(media)
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def contents(folder: Path, pattern: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob(pattern)) if path.is_file()]


def forget_playlists(cache: Path) -> None:
    for playlist in cache.glob("*/*.m3u8"):
        playlist.unlink()


@pytest.mark.parametrize("sequence", [5, 1_712_345_678_901])
async def test_01_implicit_ivs_behind_a_clear_init_section(
    sequence: int, media: Path, nginx: StartNginx, tmp_path: Path, cache: Path
) -> None:
    encrypt(media / "aac", tmp_path / "coded", sequence)
    running = nginx(tmp_path / "coded")
    url = running.url("list.m3u8")
    async with session(url, cache, look_ahead=0) as opened:
        reader = opened.reader()
        assert await asyncio.to_thread(reader.seek_time, 13.0)
        assert await asyncio.to_thread(reader.read) == clear_bytes(media / "aac", 2)
    async with session(url, cache) as opened:  # what was fetched before is not fetched again
        assert await asyncio.to_thread(opened.reader().read) == clear_bytes(media / "aac")
    lines = "\n".join(running.requests())
    assert [lines.count(name) for name in segments(media / "aac")] == [1, 1, 1, 1, 1]


async def test_02_one_file_with_two_init_sections_and_implicit_ranges(
    media: Path, server: Server, cache: Path, by_ffmpeg: Callable[[str], Samples]
) -> None:
    whole, lines = b"", ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:7"]
    expected = []
    for number, (init, pattern) in enumerate(
        (("aac/init-2.mp4", "aac/aac-2-*.m4s"), ("flac/init.mp4", "flac/*.m4s"))
    ):
        head = (media / init).read_bytes()
        lines += ["#EXT-X-DISCONTINUITY"] * number
        lines.append(f'#EXT-X-MAP:URI="one.mp4",BYTERANGE="{len(head)}@{len(whole)}"')
        expected.append((len(whole), len(whole) + len(head)))
        whole += head
        for index, data in enumerate(contents(media, pattern)):
            offset = "" if index else f"@{len(whole)}"  # the others begin where the last one ends
            lines += [f"#EXT-X-BYTERANGE:{len(data)}{offset}", "#EXTINF:6,", "one.mp4"]
            expected.append((len(whole), len(whole) + len(data)))
            whole += data
    server.add("/one.mp4", whole)
    server.add("/one.m3u8", "\n".join([*lines, "#EXT-X-ENDLIST"]).encode())
    async with session(server.url("/one.m3u8"), cache) as opened:
        heard = await asyncio.to_thread(play, opened)
    ranges = [r.byte_range for r in server.requests_for("/one.mp4")]
    assert sorted((r.start, r.stop) for r in ranges if r is not None) == expected
    parts = [by_ffmpeg(name) for name in ("aac/aac-2.m3u8", "flac/list.m3u8")]
    assert heard.shape == np.concatenate(parts).shape
    assert np.abs(heard - np.concatenate(parts)).max() <= NEAR


async def test_03_a_segment_that_is_missing_twice_and_one_that_is_missing_for_ever(
    media: Path, server: Server, tmp_path: Path, by_ffmpeg: Callable[[str], Samples]
) -> None:
    whole = by_ffmpeg("ts/list.m3u8")
    data = (media / "ts/1.ts").read_bytes()
    server.add("/ts/1.ts", data, script=[{"status": 404}, {"status": 404}])
    url, patient = server.url("/ts/list.m3u8"), RetryPolicy(max_retries=2, base_delay=0)
    async with session(url, tmp_path / "a", retry=patient) as opened:
        assert np.abs(await asyncio.to_thread(play, opened) - whole).max() <= NEAR
    server.add("/ts/1.ts", status=404)
    async with session(url, tmp_path / "b", retry=patient) as opened:
        with pytest.raises(SegmentLost) as lost:
            await asyncio.to_thread(play, opened)
    told = durations(media / "ts/list.m3u8")
    assert (lost.value.index, lost.value.duration) == (1, told[1])
    async with session(url, tmp_path / "c", lost="silence") as opened:
        events = opened.events()
        heard = await asyncio.to_thread(play, opened)
    (skipped,) = [event async for event in events if isinstance(event, SegmentSkipped)]
    assert skipped.duration == told[1]
    assert heard.shape == whole.shape
    begin, end = round(told[0] * RATE), round((told[0] + told[1]) * RATE)
    quiet = heard[begin + 2048 : end - 2048]  # the codec's own overlap at either side
    assert not quiet.any()
    assert sounds_like(heard[: begin - 2048], whole[: begin - 2048])
    assert sounds_like(heard[end + 2048 :], whole[end + 2048 :])


async def test_04_a_key_that_is_a_page_at_first(
    media: Path, server: Server, tmp_path: Path
) -> None:
    encrypt(media / "aac", tmp_path / "coded", 0)
    server.serve_directory(tmp_path / "coded", "/coded/")
    page = b"<html>nope</h>\n"
    assert len(page) == 15
    url = server.url("/coded/list.m3u8")
    seen: list[bytes] = []

    def unwrap(raw: bytes, _url: str, _context: object) -> bytes:
        seen.append(raw)
        return bytes(byte ^ 1 for byte in raw)

    wrapped = bytes(byte ^ 1 for byte in KEY)
    server.add("/coded/k.key", page)
    async with session(url, tmp_path / "a", key_processor=unwrap) as opened:
        with pytest.raises(KeyInvalid, match="15"):
            await asyncio.to_thread(opened.reader().read)
    assert seen == [page, page]
    assert not contents(tmp_path / "a", "*/keys/**/k.key")
    server.add("/coded/k.key", wrapped, script=[{"new_content": page}])
    for offline in (False, True):
        server.requests.clear()
        async with session(url, tmp_path / "a", key_processor=unwrap, offline=offline) as opened:
            assert await asyncio.to_thread(opened.reader().read) == clear_bytes(media / "aac")
    assert server.requests == []
    assert seen == [page, page, page, wrapped]


@pytest.mark.parametrize("name", ["packed", "ts"])
async def test_05_clocks_that_begin_anywhere_and_wrap(
    name: str, media: Path, nginx: StartNginx, tmp_path: Path, by_ffmpeg: Callable[[str], Samples]
) -> None:
    if name == "ts":
        assert first_pts(media / "ts/4.ts") < 0 < first_pts(media / "ts/6.ts")
    url = nginx(media).url(f"{name}/list.m3u8")
    whole = by_ffmpeg(f"{name}/list.m3u8")
    async with session(url, tmp_path / "a") as opened:
        heard = await asyncio.to_thread(play, opened)
    assert heard.shape == whole.shape
    assert np.abs(heard - whole).max() <= NEAR
    for number, seconds in enumerate((1.0, 9.9, 10.999, 11.0, 17.3)):
        async with session(url, tmp_path / f"seek{number}") as opened:
            rest = await asyncio.to_thread(lambda: play(opened, seek=seconds))  # noqa: B023 - awaited in this round
        assert sounds_like(rest, heard[round(seconds * RATE) :])


async def test_06_durations_that_are_not_true(
    media: Path, nginx: StartNginx, tmp_path: Path
) -> None:
    shutil.copytree(media / "ts", tmp_path / "lies")
    told = durations(media / "ts/list.m3u8")
    text = (media / "ts/list.m3u8").read_text()
    for seconds in told:
        text = text.replace(f"#EXTINF:{seconds:.6f},", "#EXTINF:2.4,")
    (tmp_path / "lies/list.m3u8").write_text(text)
    assert set(durations(tmp_path / "lies/list.m3u8")) == {2.4}
    running = nginx(tmp_path / "lies")
    url = running.url("list.m3u8")
    async with session(url, tmp_path / "a") as opened:
        assert opened.duration == pytest.approx(2.4 * len(told))
        linear = await asyncio.to_thread(play, opened)
        assert abs(opened.duration - (sum(told[:-1]) + 2.4)) < 0.05  # the last one ends by the list
    assert len(running.requests()) == 1 + len(told)
    async with session(url, tmp_path / "b") as opened:
        rest = await asyncio.to_thread(lambda: play(opened, seek=20.0))
    assert sounds_like(rest, linear[20 * RATE :])


async def test_08_urls_resolve_from_the_last_redirect_and_tokens_change(
    media: Path, server: Server, cache: Path
) -> None:
    parts = [(media / "ts" / f"{number}.ts").read_bytes() for number in range(13)]
    async with Server() as other:
        server.add("/go", redirect=other.url("/deep/er/master.m3u8?sig=1"))
        other.add("/k?x=a/b", KEY)
        for run, token in enumerate(("c/d", "e/f")):
            other.add(
                "/deep/er/master.m3u8",
                b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv/list.m3u8?x=../../y\n",
            )
            lines = ["#EXTM3U", '#EXT-X-KEY:METHOD=AES-128,URI="/k?x=a/b"']
            for number in range(13):
                coded = encrypted(parts[number], number)
                other.add(f"/deep/er/{number}?tok={token}", coded)
                lines += ["#EXTINF:2,", f"../{number}?tok={token}"]
            text = "\n".join([*lines, "#EXT-X-ENDLIST"])
            other.add("/deep/er/v/list.m3u8", text.encode())
            async with session(server.url("/go"), cache) as opened:
                assert await asyncio.to_thread(opened.reader().read) == b"".join(parts)
            asked = Counter(r.path.removeprefix("/deep/er/") for r in other.requests)
            lists = {"master.m3u8": run + 1, "v/list.m3u8": run + 1}  # and each segment once
            assert asked == lists | {"/k": 1} | {str(number): 1 for number in range(13)}
            forget_playlists(cache)


async def test_09_a_steady_link_is_measured_and_not_switched_about(
    server: Server, cache: Path
) -> None:
    server.bytes_per_second = 375_000
    master = ["#EXTM3U"]
    for variant, size in enumerate((40_000, 80_000, 250_000)):
        lines = ["#EXTM3U"]
        for number in range(6):
            server.add(f"/{variant}/{number}.ts", bytes([variant]) * size)
            lines += ["#EXTINF:1,", f"{number}.ts"]
        server.add(f"/{variant}/list.m3u8", "\n".join([*lines, "#EXT-X-ENDLIST"]).encode())
        master += [f"#EXT-X-STREAM-INF:BANDWIDTH={size * 8}", f"{variant}/list.m3u8"]
    server.add("/master.m3u8", "\n".join(master).encode())
    told = []
    for chosen in ("auto", 0, 0):  # the last time from the cache
        async with session(server.url("/master.m3u8"), cache, variant=chosen) as opened:
            events = opened.events()
            await opened.wait_complete()
        told.append([event async for event in events])
    samples = [e for e in told[0] if isinstance(e, ThroughputSample)][:5]
    rate = sum(s.bytes for s in samples) / sum(s.seconds for s in samples)
    assert abs(rate / 375_000 - 1) < 0.25
    assert len([e for e in told[0] if isinstance(e, VariantSelected)]) <= 1 + 2
    assert not [e for e in told[2] if isinstance(e, ThroughputSample)]


@pytest.mark.parametrize("fault", ["forbidden list", "missing segments", "stalled segments"])
async def test_10_the_best_variant_fails_and_another_goes_on_at_the_same_time(
    fault: str, media: Path, server: Server, cache: Path, by_ffmpeg: Callable[[str], Samples]
) -> None:
    if fault == "forbidden list":
        server.add("/aac/aac-2.m3u8", status=403)
    for name in segments(media / "aac")[2:]:
        if fault == "missing segments":
            server.add(f"/aac/{name}", status=404)
        elif fault == "stalled segments":
            server.add(f"/aac/{name}", stall_head=True)
    quick = NetOptions(first_byte_timeout=0.3)
    url = server.url("/aac/master.m3u8")
    async with session(url, cache, variant="best", net_options=quick) as opened:
        events = opened.events()
        heard = await asyncio.to_thread(play, opened)
    whole = [by_ffmpeg(f"aac/aac-{n}.m3u8") for n in (1, 2)]
    assert heard.shape == whole[0].shape
    told = durations(media / "aac/aac-2.m3u8")
    change = 0 if fault == "forbidden list" else round(sum(told[:2]) * RATE)
    if change:
        assert sounds_like(heard[: change - 2048], whole[1][: change - 2048])
    assert sounds_like(heard[change + 2048 :], whole[0][change + 2048 :])
    (over,) = [event async for event in events if isinstance(event, FailedOver)]
    assert (over.variant, over.index) == (2, 2 if change else 0)
    assert over.excluded_for == 60
    assert max(Counter(r.path for r in server.requests).values()) == 1


async def test_11_keys_are_chosen_by_their_format_and_refused_by_their_method(
    media: Path, nginx: StartNginx, tmp_path: Path
) -> None:
    encrypt(media / "aac", tmp_path / "coded", 0)
    folder, line = tmp_path / "coded", '#EXT-X-KEY:METHOD=AES-128,URI="k.key"\n'
    text = (folder / "list.m3u8").read_text()
    foreign = (
        '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://a",KEYFORMAT="com.apple.streamingkeydelivery"\n'
    )
    (folder / "both.m3u8").write_text(text.replace(line, foreign + line))
    (folder / "foreign.m3u8").write_text(text.replace(line, foreign))
    sample = line.replace("AES-128", "SAMPLE-AES")
    (folder / "sample.m3u8").write_text(text.replace(line, sample))
    last = text.rindex("#EXTINF")
    (folder / "none.m3u8").write_text(text[:last] + "#EXT-X-KEY:METHOD=NONE\n" + text[last:])
    running = nginx(folder)
    for name in ("foreign", "sample"):
        async with asyncio.timeout(20):
            with pytest.raises(UnsupportedHls):
                async with session(running.url(f"{name}.m3u8"), tmp_path / name):
                    pass
    assert len(running.requests()) == 2  # the lists, and nothing that they name
    async with session(running.url("both.m3u8"), tmp_path / "a") as opened:
        assert await asyncio.to_thread(opened.reader().read) == clear_bytes(media / "aac")
    name = segments(media / "aac")[-1]
    shutil.copy(media / "aac" / name, folder)
    async with session(running.url("none.m3u8"), tmp_path / "b") as opened:
        assert await asyncio.to_thread(opened.reader().read) == clear_bytes(media / "aac")


TEXTS: dict[str, Callable[[str], bytes]] = {
    "clean": lambda text: text.encode(),
    "BOM": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR": lambda text: text.replace("\n", "\r").encode(),
    "no last newline": lambda text: text.rstrip("\n").encode(),
    "leading spaces": lambda text: text.replace("\n#EXTINF", "\n  #EXTINF").encode(),
    "unquoted URI": lambda text: text.replace('URI="init-2.mp4"', "URI=init-2.mp4").encode(),
    "EXTINF without comma": lambda text: text.replace(",\n", "\n").encode(),
    "U+2028 in a title": lambda text: text.replace(",\n", ",a\u2028b.m4s\n").encode(),
    "unknown attributes": lambda text: text.replace('URI="init', 'X-NEW=1,URI="init').encode(),
    "a variable": lambda text: text.replace(
        "#EXT-X-TARGET", '#EXT-X-DEFINE:QUERYPARAM="q"\n#EXT-X-TARGET'
    ).replace("aac-2-", "{$q}-2-").encode(),
    "1.2 MB": lambda text: text.replace("#EXTINF", "#" + "x" * 300_000 + "\n#EXTINF").encode(),
}  # fmt: skip
REFUSED = {"HTML": b"<!DOCTYPE html><p>login", "empty": b"", "a variable that is not defined": None}


@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize("kind", TEXTS)
async def test_12_text_that_is_written_otherwise_says_the_same(
    kind: str, coding: str, media: Path, server: Server, cache: Path
) -> None:
    text = TEXTS[kind]((media / "aac/aac-2.m3u8").read_text())
    assert (len(text) > 1_200_000) is (kind == "1.2 MB")
    server.add("/aac/other.m3u8", text, encoding=coding)
    async with session(server.url("/aac/other.m3u8?q=aac"), cache) as opened:
        assert await asyncio.to_thread(opened.reader().read) == clear_bytes(media / "aac")
    assert (server.requests[0].sent < len(text)) is (coding == "gzip")


@pytest.mark.parametrize("kind", REFUSED)
async def test_12_what_is_no_playlist_is_refused_and_not_kept(
    kind: str, media: Path, server: Server, cache: Path
) -> None:
    text = REFUSED[kind]
    if text is None:
        text = (media / "aac/aac-2.m3u8").read_bytes().replace(b"aac-2-", b"{$q}-")
    server.add("/aac/other.m3u8", text)
    with pytest.raises(HlsError) as refused:
        async with session(server.url("/aac/other.m3u8"), cache):
            pass
    assert isinstance(refused.value, PlaylistInvalid)
    assert not contents(cache, "*/master.m3u8")
    assert len(server.requests) == 1
