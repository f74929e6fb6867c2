"""What a type checker makes of programs that use the front door; checked, never run."""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import assert_type

import numpy as np
import numpy.typing as npt

import kithara
from kithara_assets import Completeness, DiskAssetStore, EvictConfig
from kithara_hls import AbrSettings, SegmentComplete
from kithara_net import HttpClient, RetryNet
from kithara_stream import Reader


def synchronous(url: str, path: Path) -> None:
    with kithara.open(url, cache=path, variant="auto", rate=48_000, headers={"A": "b"}) as track:
        assert_type(track, kithara.Track)
        assert_type(track.spec, kithara.PcmSpec)
        assert_type(track.duration, float | None)
        assert_type(track.position, float)
        assert_type(track.tags, Mapping[str, str])
        assert_type(track.stats, kithara.TransferStats)
        assert_type(track.decoding, kithara.StreamStats)
        assert_type(track.losses, tuple[kithara.Loss, ...])
        assert_type(track.reader(), Reader)
        assert_type(track.blocks(frames=960), Iterator[kithara.PcmChunk])
        for chunk in track:
            assert_type(chunk, kithara.PcmChunk)
            assert_type(chunk.data, npt.NDArray[np.float32])
        assert_type(track.events(), kithara.Events)
        for event in track.events():
            assert_type(event, kithara.TrackEvent)
            if isinstance(event, SegmentComplete):
                assert_type(event.size, int)
        assert_type(track.report(), kithara.Report)
        track.report().save(path)
        track.seek(3)
        track.select_variant(None)
    assert_type(kithara.decode(path, start=1.5), tuple[npt.NDArray[np.float32], int])
    assert_type(kithara.fetch(url, on_progress=print), kithara.TransferStats)


async def asynchronous(url: str) -> None:
    options = kithara.HlsOptions(variant=2, abr=AbrSettings(max_bitrate=1e6))
    net = RetryNet(HttpClient())
    async with kithara.aopen(url, net=net, hls=options) as track:
        assert_type(track, kithara.Track)
        async for chunk in track:
            assert_type(chunk, kithara.PcmChunk)
        assert_type(track.ablocks(seconds=1), AsyncIterator[kithara.PcmChunk])
        async for event in track.events():
            assert_type(event, kithara.TrackEvent)
        await track.await_complete()


def cached(url: str) -> None:
    with kithara.cache(config=EvictConfig(max_bytes=1)) as store:
        assert_type(store, DiskAssetStore)
        assert_type(store.is_complete(kithara.asset_name(url)), Completeness)
        with kithara.open(url, store=store, offline=True) as track:
            assert_type(track.kind, kithara.Kind)
    try:
        kithara.decode(url)
    except kithara.InvalidUrl as error:
        assert_type(error.url, str)
    except kithara.NoVariants as error:
        assert_type(error.url, str)
    except kithara.KitharaError as error:
        assert_type(error.recoverable, bool)
    except kithara.ERRORS as error:
        assert_type(error, Exception)
    assert_type(kithara.default_cache(), Path)
