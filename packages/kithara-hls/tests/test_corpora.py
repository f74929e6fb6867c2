"""Playlists and media made by others; skipped where the corpora are not beside the checkout."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kithara_hls import HlsSource, UnsupportedHls
from kithara_hls._errors import HlsError
from kithara_hls._parse import parse_playlist
from kithara_hls._playlist import EncryptionKey, MediaPlaylist, MultivariantPlaylist
from kithara_hls._urls import resolve
from kithara_net.testing import Server

Open = Callable[..., HlsSource]

CORPORA = Path(__file__).parents[4] / "shared" / "corpora"
pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason=f"there is no {CORPORA.name} folder")

VIDEOJS = sorted((CORPORA / "playlists/videojs-m3u8-parser").glob("*.m3u8"))
LISTS = sorted(CORPORA.glob("playlists/*/*.m3u8")) + sorted(CORPORA.glob("hls/*/*.m3u8"))

NO_HEADER = "does not start with #EXTM3U (RFC 8216, 4.3.1.1)"
NO_EXTINF = "a segment without EXTINF (4.3.2.1: required)"
IMPLICIT = "a byte range without an offset behind another resource (4.3.2.2: must fail)"
SEQUENCE = "EXT-X-MEDIA-SEQUENCE is no decimal integer (4.3.3.2), and implicit IVs depend on it"
REFUSED = {
    "videojs-m3u8-parser/byteRange.m3u8": IMPLICIT,
    "videojs-m3u8-parser/diff-init-key.m3u8": "an encrypted EXT-X-MAP without an IV (4.3.2.5)",
    "videojs-m3u8-parser/empty.m3u8": "empty",
    "videojs-m3u8-parser/emptyMediaSequence.m3u8": SEQUENCE,
    "videojs-m3u8-parser/extinf.m3u8": "an EXTINF without a URI (4.3.2.1)",
    "videojs-m3u8-parser/headerOnly.m3u8": "neither segments nor variants",
    "videojs-m3u8-parser/iFramesOnly.m3u8": "I-frames have no audio",
    "videojs-m3u8-parser/invalidMediaSequence.m3u8": SEQUENCE,
    "videojs-m3u8-parser/liveMissingSegmentDuration.m3u8": NO_EXTINF,
    "videojs-m3u8-parser/llhls-byte-range.m3u8": "587500@ is no byte range (4.3.2.2)",
    "videojs-m3u8-parser/llhls-delta-byte-range.m3u8": "a delta update",
    "videojs-m3u8-parser/llhlsDelta.m3u8": "a delta update",
    "videojs-m3u8-parser/manifestNoExtM3u.m3u8": NO_HEADER,
    "videojs-m3u8-parser/master.m3u8": NO_HEADER,
    "videojs-m3u8-parser/missingExtinf.m3u8": NO_EXTINF,
    "videojs-m3u8-parser/missingSegmentDuration.m3u8": NO_EXTINF,
    "videojs-m3u8-parser/multipleTargetDurations.m3u8": NO_EXTINF,
    "videojs-m3u8-parser/negativeMediaSequence.m3u8": SEQUENCE,
    "videojs-m3u8-parser/start.m3u8": NO_HEADER,
    "videojs-m3u8-parser/streamInfInvalid.m3u8": NO_HEADER,
    "grafov-m3u8/master-with-hlsv7.m3u8": NO_HEADER,
    "grafov-m3u8/media-playlist-with-cue-out-in-without-oatcls.m3u8": "an EXTINF without a URI",
    "grafov-m3u8/media-playlist-with-discontinuity.m3u8": NO_HEADER,
    "m3u8-rs/media-not-ending-in-newline.m3u8": "an IV of 88 bits",
    "m3u8-rs/media-playlist-without-segments.m3u8": "neither segments nor variants",
    "m3u8-rs/mediaplaylist.m3u8": "an IV of 88 bits",
    "shaka-hls-sample-aes/index.m3u8": "SAMPLE-AES-CTR",
}
# Their parser makes 0 seconds 0.01 for the sake of their player; the list says 0.
ZERO_LIFTED = {"zeroDuration.m3u8"}


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("path", LISTS, ids=name_of)
def test_every_list_is_parsed_or_refused_for_a_reason(path: Path) -> None:
    try:
        parsed = parse_playlist(path.read_bytes(), "http://h.test/a/b.m3u8")
    except HlsError:
        assert name_of(path) in REFUSED
        return
    assert name_of(path) not in REFUSED
    assert parsed.segments if isinstance(parsed, MediaPlaylist) else parsed.variants


@pytest.mark.parametrize(
    "path", [p for p in VIDEOJS if name_of(p) not in REFUSED], ids=lambda path: path.name
)
def test_agrees_with_another_parser(path: Path) -> None:
    base = "http://h.test/a/b.m3u8"
    parsed = parse_playlist(path.read_bytes(), base)
    expected = json.loads(path.with_suffix(".expected.json").read_text())
    if isinstance(parsed, MultivariantPlaylist):
        found = [(v.url, v.bandwidth, v.audio_group) for v in parsed.variants]
        assert found == [
            (
                resolve(base, p["uri"]),
                p.get("attributes", {}).get("BANDWIDTH", 0),
                p.get("attributes", {}).get("AUDIO"),
            )
            for p in expected["playlists"]
        ]
        return
    assert parsed.ended == expected.get("endList", False)
    segments = [
        (s.url, s.duration, _range(s.byte_range), _init(s.init), s.discontinuity)
        for s in parsed.segments
    ]
    assert segments == [
        (
            resolve(base, s["uri"]),
            0 if path.name in ZERO_LIFTED else s["duration"],
            _their_range(s),
            (resolve(base, s["map"]["uri"]), _their_range(s["map"])) if "map" in s else None,
            s.get("discontinuity", False),
        )
        for s in expected["segments"]
    ]
    for index, (ours, theirs) in enumerate(zip(parsed.segments, expected["segments"], strict=True)):
        sequence = expected["mediaSequence"] + index
        assert ours.sequence == sequence
        assert ours.key == _their_key(base, theirs.get("key"), sequence)


def _range(found: Any) -> tuple[int, int] | None:
    return None if found is None else (found.start, found.stop)


def _init(found: Any) -> tuple[str, tuple[int, int] | None] | None:
    return None if found is None else (found.url, _range(found.byte_range))


def _their_range(owner: dict[str, Any]) -> tuple[int, int] | None:
    written = owner.get("byterange")
    return written and (written["offset"], written["offset"] + written["length"])


def _their_key(base: str, key: Any, sequence: int) -> EncryptionKey | None:
    if key is None:
        return None
    words = key.get("iv", {}).get("words")
    iv = b"".join(w.to_bytes(4, "big") for w in words) if words else sequence.to_bytes(16, "big")
    return EncryptionKey(url=resolve(base, key["uri"]), iv=iv)


# -- media -------------------------------------------------------------------------------------


async def delivered(source: HlsSource) -> bytes:
    async with source as session:
        return await asyncio.to_thread(session.reader().read)


@pytest.mark.parametrize("variant", [0, 1])
async def test_aes_128_decrypts_to_the_bytes_of_the_ladder(
    source: Open, server: Server, variant: int
) -> None:
    server.serve_directory(CORPORA / "hls")
    coded, clear = "/kithara-aes128/master.m3u8", "/kithara-aac-ladder/master.m3u8"
    found = await delivered(source(server.url(coded), variant=variant))
    assert len(found) > 1_000_000
    assert found == await delivered(source(server.url(clear), variant=variant))
    assert found == await delivered(source(server.url(coded), variant=variant, offline=True))


@pytest.mark.parametrize(
    ("master", "container", "files"),
    [
        ("shaka-hls-raw-aac/manifest.m3u8", "adts", [f"fileSequence{i}.aac" for i in range(4)]),
        ("shaka-hls-ts-aac/playlist.m3u8", "mpegts", [f"segment_{i}.ts" for i in range(8)]),
        ("shaka-hls-multivideo/master.m3u8", "mpegts", ["original_128k.ts"]),
        ("shaka-hls-ts-audio-muxed-in-video/master.m3u8", "mpegts", ["main.ts"]),
        (
            "media3-cmaf-multi-segment/playlist.m3u8",
            "mp4",
            ["audio_init.mp4", *(f"audio_{i}.m4s" for i in range(1, 13))],
        ),
    ],
)
async def test_real_media_come_through_unchanged(
    source: Open, server: Server, master: str, container: str, files: list[str]
) -> None:
    folder = (CORPORA / "hls" / master).parent
    server.serve_directory(CORPORA / "hls")
    found = await delivered(source(server.url(f"/{master}")))
    whole = b"".join((folder / name).read_bytes() for name in files)
    assert found == whole[: 1_960_840 if files == ["main.ts"] else None]  # where its ranges end
    async with source(server.url(f"/{master}"), offline=True) as session:
        span = await asyncio.to_thread(session.source().span_at, 0)
        assert span is not None
        assert span.media_info.container == container


async def test_what_is_not_supported_is_refused_before_it_is_fetched(
    source: Open, server: Server
) -> None:
    server.serve_directory(CORPORA / "hls")
    name = "shaka-hls-sample-aes/index.m3u8"
    with pytest.raises(UnsupportedHls):
        await source(server.url(f"/{name}")).open()
    assert len(server.requests) == 1
