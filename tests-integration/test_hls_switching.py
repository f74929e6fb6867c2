"""Variants switched at every segment: the seventh hard case of HLS. No frame more, none less."""

import asyncio
import subprocess
from collections.abc import Callable
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import pytest

from commands import ffmpeg_pcm
from hls_media import SECONDS, Samples, durations, play, session
from kithara_hls import AbrDecision, AbrSettings, AbrState, DownloadSample, VariantApplied
from sample import RATE, encode, make_ladder, melody
from servers import Nginx

UNIT = 1024  # frames of an AAC access unit, and of what one overlaps with the next


class EachInTurn:
    """Takes every segment from another variant."""

    def decide(self, state: AbrState) -> AbrDecision:
        before = -1 if state.current is None else state.current
        return AbrDecision(variant=(before + 1) % len(state.variants), reason="in turn")

    def on_download(self, sample: DownloadSample) -> None:
        """Whatever the network gives."""


async def switched(url: str, cache: Path) -> tuple[Samples, list[tuple[int, int]]]:
    """What is heard, and which variant (second) begins at which segment (first)."""
    settings = AbrSettings(lossless=True)
    async with session(url, cache, abr=settings, abr_policy=EachInTurn()) as opened:
        events = opened.events()
        heard = await asyncio.to_thread(play, opened)
    applied = [e async for e in events if isinstance(e, VariantApplied)]
    return heard, [(event.index, event.variant.index) for event in applied]


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2, dtype=np.float64)))


def worst(heard: Samples, pcm: Samples) -> float:
    """The largest error in any tenth of a second."""
    step = RATE // 10
    return max(
        rms(heard[at : at + step] - pcm[at : at + step]) for at in range(0, len(pcm) - step, step)
    )


def check_seams(
    heard: Samples, alone: list[Samples], begins: list[float], applied: list[tuple[int, int]]
) -> None:
    """Around each seam, no further from the new variant than that is from the old one."""
    for (_, old), (index, new) in pairwise(applied):
        begin = round(begins[index] * RATE / UNIT) * UNIT
        seam = slice(begin - UNIT, begin + UNIT)
        apart = rms(alone[old][seam] - alone[new][seam])
        assert rms(heard[seam] - alone[new][seam]) <= 1.1 * apart, index
        behind = slice(begin + 2 * UNIT, begin + 2 * UNIT + RATE)
        if behind.stop <= len(heard):  # and soon as the new one alone is, but for its random noise
            noise = rms(alone[old][behind] - alone[new][behind])
            assert rms(heard[behind] - alone[new][behind]) <= noise, index


async def test_07_three_variants_of_aac_in_turn(
    tmp_path: Path, nginx: Callable[[Path], Nginx]
) -> None:
    make_ladder(tmp_path / "aac", melody(SECONDS), segment_seconds=2)
    heard, applied = await switched(nginx(tmp_path).url("aac/master.m3u8"), tmp_path / "cache")
    lists = [tmp_path / f"aac/aac-{number}.m3u8" for number in range(3)]
    alone = [ffmpeg_pcm(path) for path in lists]
    assert heard.shape == alone[0].shape == alone[1].shape == alone[2].shape
    told = durations(lists[0])
    assert applied == [(index, index % 3) for index in range(len(told))]
    check_seams(heard, alone, [0.0, *accumulate(told)], applied)


async def test_07_aac_and_lossless_in_turn(tmp_path: Path, nginx: Callable[[Path], Nginx]) -> None:
    pcm = melody(23)
    for codec in ("aac", "flac"):
        (tmp_path / codec).mkdir()
        encode(
            tmp_path / codec / "list.m3u8",
            pcm,
            codec=codec,
            bit_rate=192_000,
            container="hls",
            options={
                "hls_time": "2",
                "hls_playlist_type": "vod",
                "hls_segment_type": "fmp4",
                "hls_segment_filename": str(tmp_path / codec / "%d.m4s"),
            },
        )
    (tmp_path / "master.m3u8").write_text(
        '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=200000,CODECS="mp4a.40.2"\naac/list.m3u8\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=900000,CODECS="fLaC"\nflac/list.m3u8\n'
    )
    heard, applied = await switched(nginx(tmp_path).url("master.m3u8"), tmp_path / "cache")
    assert len(applied) >= 12  # now and then a segment is taken from both
    # AAC with no edit list lags by an access unit, and lossless joins it where it is; the two are
    # cut at other places, and none is heard twice or left out.
    assert len(pcm) + UNIT <= len(heard) <= len(pcm) + 3 * UNIT
    assert worst(heard[UNIT:], pcm) < 0.05  # AAC that begins anew fades in; a hole is above


@pytest.mark.timeout(180)
async def test_07_the_ladder_of_the_corpora(
    corpora: Path, nginx: Callable[[Path], Nginx], tmp_path: Path
) -> None:
    folder = corpora / "hls/kithara-aac-ladder"
    url = nginx(folder).url("master.m3u8")
    heard, applied = await switched(url, tmp_path / "cache")
    lists = [folder / f"index-{quality}-a1.m3u8" for quality in ("slq", "smq", "shq")]
    told = durations(lists[0])
    assert len(heard) == 9_712_640
    assert applied == [(index, index % 3) for index in range(len(told))]
    check_seams(heard, [ffmpeg_pcm(p) for p in lists], [0.0, *accumulate(told)], applied)


def make_equal_cuts(folder: Path, pcm: Samples) -> None:
    """AAC and FLAC of frames of equal length, so that both are cut at the same places."""
    pcm.tofile(folder / "pcm")
    master = ["#EXTM3U"]
    for codec, name, rate in (("aac", "mp4a.40.2", 192_000), ("flac", "fLaC", 900_000)):
        (folder / codec).mkdir()
        command: list[str | Path] = ["ffmpeg", "-v", "error", "-f", "f32le",
                   "-ar", str(RATE), "-ac", "2",
                   "-i", folder / "pcm", "-c:a", codec, "-strict", "-2", "-frame_size", str(UNIT),
                   "-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod",
                   "-hls_segment_type", "fmp4", folder / codec / "list.m3u8"]  # fmt: skip
        subprocess.run(command, check=True)
        master += [f'#EXT-X-STREAM-INF:BANDWIDTH={rate},CODECS="{name}"', f"{codec}/list.m3u8"]
    told = durations(folder / "aac/list.m3u8")
    assert told[:-1] == durations(folder / "flac/list.m3u8")[:-1]
    (folder / "master.m3u8").write_text("\n".join(master))


async def test_a_switch_of_codec_at_equal_cuts_leaves_no_hole(
    tmp_path: Path, nginx: Callable[[Path], Nginx]
) -> None:
    pcm = melody(11)
    make_equal_cuts(tmp_path, pcm)
    heard, applied = await switched(nginx(tmp_path).url("master.m3u8"), tmp_path / "cache")
    assert len(applied) >= 6
    # From AAC a segment back, to where FLAC has all of the sound; from FLAC, after two, none.
    steps = {(old, later - sooner) for (sooner, old), (later, _) in pairwise(applied)}
    assert steps == {(0, 0), (1, 2)}
    sound = heard[UNIT:]  # AAC with no edit list lags by an access unit, and lossless joins it
    assert len(pcm) <= len(sound) <= len(pcm) + 2 * UNIT
    step = UNIT // 4
    for at in range(0, len(pcm) - step, step):  # a hole of an access unit is an error of all of it
        assert rms(sound[at : at + step] - pcm[at : at + step]) < 0.05, at / RATE
