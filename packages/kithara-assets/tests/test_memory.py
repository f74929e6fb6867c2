from __future__ import annotations

import os
from pathlib import Path

import pytest

from kithara_assets import Assets, MemoryAssetStore, ResourceKey, ResourceStatus, StoreClosed

KEY = ResourceKey("song", "deep/a.mp3")


async def test_it_keeps_assets_and_touches_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with MemoryAssetStore() as store:
        assets: Assets = store
        with assets.open_streaming_resource(KEY, resume=True) as resource:
            resource.restart({"etag": "1"})
            await resource.write_at(0, b"half")
            await resource.flush()
        with assets.open_streaming_resource(KEY, resume=True) as resource:
            assert resource.read_at(0, 9) == b"half"
            resource.confirm()
            await resource.write_at(4, b"whole")
            await resource.commit(9)
        with assets.open_streaming_resource(KEY) as resource:
            assert resource.status is ResourceStatus.COMPLETE
            assert resource.read_at(0, 9) == b"halfwhole"
        playlist = assets.open_atomic_resource(ResourceKey("song", "list.m3u8"))
        await playlist.write(b"#EXTM3U")
        assert await playlist.read() == b"#EXTM3U"
        assert os.listdir(tmp_path) == []
    with pytest.raises(StoreClosed):
        store.open_streaming_resource(KEY)
    store.close()
