"""HLS recordings of the tests' own making, and how one is played through all the layers."""

import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from kithara_assets import asset_store
from kithara_decode import AudioStream
from kithara_hls import HlsOptions, HlsSession, HlsSource
from kithara_net import HttpClient, NetOptions, RetryPolicy
from sample import RATE, encode, make_ladder, melody

Samples: TypeAlias = npt.NDArray[np.float32]

SECONDS = 24
KEY = bytes(range(16))


def make(folder: Path) -> None:
    """24 s: `aac/` a ladder, `ts/` MPEG-TS whose clock wraps, `flac/` lossless, `packed/` ADTS."""
    pcm = melody(SECONDS)
    make_ladder(folder / "aac", pcm, segment_seconds=6)
    for name, options in {
        # PTS has 33 bits at 90 kHz: it wraps 11 s after this begin.
        "ts": {"hls_time": "2", "output_ts_offset": f"{2**33 / 90_000 - 11:.3f}"},
        "flac": {"hls_time": "6", "hls_segment_type": "fmp4"},
    }.items():
        (folder / name).mkdir()
        suffix = "m4s" if name == "flac" else "ts"
        encode(
            folder / name / "list.m3u8",
            pcm,
            codec="flac" if name == "flac" else "aac",
            bit_rate=96_000,
            container="hls",
            options={
                "hls_playlist_type": "vod",
                "hls_segment_filename": str(folder / name / f"%d.{suffix}"),
                **options,
            },
        )
    (folder / "packed").mkdir()
    pack(folder / "packed", pcm)


def pack(folder: Path, pcm: Samples, begin: float = 9.904222) -> None:
    """Packed AAC in segments of 129 frames, each with an ID3 tag that tells its time."""
    encode(folder / "whole.aac", pcm, codec="aac", bit_rate=96_000, container="adts")
    data = (folder / "whole.aac").read_bytes()
    frames: list[bytes] = []
    at = 0
    while at < len(data):
        size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        frames.append(data[at : at + size])
        at += size
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:3"]
    for number, first in enumerate(range(0, len(frames), 129)):
        some = frames[first : first + 129]
        ticks = round((begin + first * 1024 / RATE) * 90_000)
        told = b"com.apple.streaming.transportStreamTimestamp\0" + ticks.to_bytes(8, "big")
        tag = b"PRIV" + len(told).to_bytes(4, "big") + b"\0\0" + told
        head = b"ID3\4\0\0" + bytes((0, 0, 0, len(tag))) + tag
        (folder / f"{number}.aac").write_bytes(head + b"".join(some))
        lines += [f"#EXTINF:{len(some) * 1024 / RATE:.6f},", f"{number}.aac"]
    (folder / "list.m3u8").write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))


def encrypted(data: bytes, sequence: int, key: bytes = KEY) -> bytes:
    """AES-128-CBC with the IV that a media sequence number implies."""
    padder = PKCS7(128).padder()
    coder = Cipher(AES(key), CBC(sequence.to_bytes(16, "big"))).encryptor()
    return coder.update(padder.update(data) + padder.finalize()) + coder.finalize()


def encrypt(source: Path, target: Path, sequence: int) -> None:
    """The best variant of a ladder with encrypted segments, and the clear init section before."""
    target.mkdir()
    text = (source / "aac-2.m3u8").read_text()
    text = text.replace("#EXT-X-MEDIA-SEQUENCE:0", f"#EXT-X-MEDIA-SEQUENCE:{sequence}")
    init = '#EXT-X-MAP:URI="init-2.mp4"\n'
    assert init in text
    text = text.replace(init, init + '#EXT-X-KEY:METHOD=AES-128,URI="k.key"\n')
    (target / "list.m3u8").write_text(text)
    (target / "k.key").write_bytes(KEY)
    shutil.copy(source / "init-2.mp4", target)
    for number in range(len(segments(source))):
        data = (source / f"aac-2-{number:03}.m4s").read_bytes()
        (target / f"aac-2-{number:03}.m4s").write_bytes(encrypted(data, sequence + number))


def segments(folder: Path) -> list[str]:
    """The names of the segments of the best variant of a ladder."""
    return [path.name for path in sorted(folder.glob("aac-2-*.m4s"))]


def clear_bytes(folder: Path, first: int = 0) -> bytes:
    """What a reader gets of the best variant of a ladder from a segment on."""
    names = ["init-2.mp4", *segments(folder)[first:]]
    return b"".join((folder / name).read_bytes() for name in names)


def durations(playlist: Path) -> list[float]:
    """What a playlist says that its segments last."""
    lines = playlist.read_text().splitlines()
    return [float(line[8:].rstrip(",")) for line in lines if line.startswith("#EXTINF:")]


@asynccontextmanager
async def session(
    url: str, cache: Path, *, net_options: NetOptions | None = None, **options: Any
) -> AsyncIterator[HlsSession]:
    """Open a URL over a cache and a client of its own."""
    options.setdefault("retry", RetryPolicy(max_retries=0))
    with asset_store(cache) as store:
        async with HttpClient(net_options) as net:
            source = HlsSource(url, store=store, net=net, options=HlsOptions(**options))
            async with source as opened:
                yield opened


def play(opened: HlsSession, *, seek: float | None = None) -> Samples:
    """Decode to the end, from a time on if one is given. Blocks: not on the event loop."""
    with AudioStream(opened.reader()) as audio:
        if seek is not None:
            audio.seek(seek)
        chunks = list(audio)
        at = 0 if seek is None else round(seek * audio.spec.sample_rate)
        assert chunks[0].start == at
    for chunk in chunks:  # one behind the other, nothing twice and nothing left out
        assert chunk.start == at
        at += len(chunk.data)
    return np.concatenate([chunk.data for chunk in chunks])


def sounds_like(heard: Samples, expected: Samples) -> bool:
    """Whether two decodings are of the same sound, at the same frames.

    AAC draws some of its noise at random, and anew wherever decoding begins.
    """
    if heard.shape != expected.shape:
        return False
    error, early, late = (
        float(np.sqrt(np.mean((heard[4096 + off : off - 4096] - expected[4096:-4096]) ** 2)))
        for off in (0, -1, 1)
    )
    return error < 2e-3 and 3 * error < min(early, late)


def first_pts(segment: Path) -> float:
    """The time stamp of a segment's first packet, in seconds; shortly before a wrap negative."""
    words = ["ffprobe", "-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0"]
    answer = subprocess.run([*words, str(segment)], capture_output=True, text=True, check=True)
    return float(answer.stdout.split()[0].rstrip(","))
