from __future__ import annotations

import os
from pathlib import Path

import pytest

from kithara_assets import DiskAssetStore, ResourceKey, asset_store

KEY = ResourceKey("song", "deep/a.mp3")
CONTENT = bytes(range(256)) * 40


async def put(store: DiskAssetStore, key: ResourceKey = KEY) -> Path:
    with store.open_streaming_resource(key, resume=True) as resource:
        resource.restart({"etag": "1"})
        await resource.write_at(0, CONTENT)
        await resource.commit(10240)
    return store.root / key.asset_root / key.rel_path


async def test_a_sound_cache(store: DiskAssetStore) -> None:
    await put(store)
    found = store.verify()
    assert (found.checked, found.dropped) == (1, ())
    assert store.is_complete("song")


@pytest.mark.parametrize("length", [0, 1, 10239, 10241])
async def test_a_file_of_a_wrong_length_is_dropped(store: DiskAssetStore, length: int) -> None:
    broken, sound = await put(store), await put(store, ResourceKey("song", "deep/b.mp3"))
    os.truncate(broken, length)
    assert store.verify().dropped == ("song/deep/a.mp3",)
    assert not broken.exists()
    assert sound.exists()
    assert store.verify().dropped == ()
    await put(store)
    assert broken.stat().st_size == 10240


async def test_a_flipped_bit_is_found(store: DiskAssetStore) -> None:
    broken, sound = await put(store), await put(store, ResourceKey("song", "deep/b.mp3"))
    with broken.open("r+b") as file:
        os.pwrite(file.fileno(), b"\xff", 5000)
    found = store.verify()
    assert (found.checked, found.dropped) == (2, ("song/deep/a.mp3",))
    assert not broken.exists()
    assert not broken.with_name("a.mp3.meta").exists()
    assert sound.exists()


async def test_links_are_dropped_and_not_followed(store: DiskAssetStore, tmp_path: Path) -> None:
    path = await put(store)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"")
    (path.parent / "link").symlink_to(outside / "precious")
    (store.root / "song/folder").symlink_to(outside)
    os.mkfifo(store.root / "song/fifo")
    assert sorted(store.verify().dropped) == ["song/deep/link", "song/fifo", "song/folder"]
    assert os.listdir(outside) == ["precious"]


@pytest.mark.parametrize("suffix", [".meta", ".map"])
async def test_damaged_records_cost_no_complete_file_an_exception(
    tmp_path: Path, suffix: str
) -> None:
    with asset_store(tmp_path) as store:
        path = await put(store)
        with store.open_streaming_resource(ResourceKey("song", "half"), resume=True) as resource:
            resource.restart({"etag": "1"})
            await resource.write_at(0, b"half")
        other = store.open_atomic_resource(ResourceKey("song", "list.m3u8"))
        await other.write(b"#EXTM3U")
    record = path.with_name("a.mp3.meta") if suffix == ".meta" else tmp_path / "song/half.map"
    whole = record.read_bytes()
    for cut in range(len(whole)):
        record.write_bytes(whole[:cut] if cut % 2 else os.urandom(cut))
        with asset_store(tmp_path) as store:
            with store.open_streaming_resource(ResourceKey("song", "half"), resume=True) as half:
                assert half.read_at(0, 9) in {b"half", b""}
            with store.open_streaming_resource(ResourceKey("song", "list.m3u8")) as served:
                assert served.read_at(0, 9) == b"#EXTM3U"
            if suffix == ".map":  # its own record is sound: it is served
                with store.open_streaming_resource(KEY) as complete:
                    assert complete.read_at(0, 99_999) == CONTENT
            assert path.exists()
