from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from kithara_assets import (
    AssetId,
    Assets,
    DiskAssetStore,
    ForeignRoot,
    FormatTooNew,
    ResourceClosed,
    ResourceKey,
    ResourceStatus,
    StorageFailed,
    StoreClosed,
    UnsafePath,
    UnusableRoot,
    asset_store,
    encode_path,
)

KEY = ResourceKey("asset", "segments/1.ts")


def tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


async def test_what_was_committed_is_there_again(tmp_path: Path) -> None:
    root = tmp_path / "new" / "cache"
    with asset_store(root) as store:
        with store.open_streaming_resource(KEY) as resource:
            await resource.write_at(0, b"segment")
            await resource.commit(7)
        playlist = store.open_atomic_resource(ResourceKey("asset", "master.m3u8"))
        await playlist.write(b"#EXTM3U")
    assert (root / "asset/segments/1.ts").read_bytes() == b"segment"
    with asset_store(root) as store:
        again = store.open_streaming_resource(KEY)
        assert again.status is ResourceStatus.COMPLETE
        assert again.read_at(0, 9) == b"segment"
        playlist = store.open_atomic_resource(ResourceKey("asset", "master.m3u8"))
        assert await playlist.read() == b"#EXTM3U"


def test_a_new_root(store: DiskAssetStore) -> None:
    assert tree(store.root) == ["CACHEDIR.TAG", "_index", "_index/format"]
    assert (store.root / "_index/format").read_bytes() == b"kithara cache, format 1\n"
    tag = (store.root / "CACHEDIR.TAG").read_bytes()
    assert tag.startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")
    assert store.root.stat().st_mode & 0o777 == 0o700
    assert (store.root / "_index").stat().st_mode & 0o777 == 0o700


async def test_files_and_folders_are_the_users_own(store: DiskAssetStore) -> None:
    with store.open_streaming_resource(KEY) as resource:
        await resource.write_at(0, b"x")
        await resource.commit(1)
    await store.open_atomic_resource(ResourceKey("asset", "key.bin")).write(b"k")
    modes = {
        name: (store.root / name).stat().st_mode & 0o777
        for name in ("asset", "asset/segments", "asset/segments/1.ts", "asset/key.bin")
    }
    assert list(modes.values()) == [0o700, 0o700, 0o600, 0o600]


async def test_closing_closes_what_is_open(tmp_path: Path) -> None:
    store = asset_store(tmp_path / "cache")
    left, closed = (store.open_streaming_resource(ResourceKey("a", name)) for name in "xy")
    closed.close()
    wait = asyncio.create_task(left.wait_range_async(0, 1, 30))
    await asyncio.sleep(0)
    store.close()
    store.close()
    with pytest.raises(ResourceClosed):
        await wait
    for use in (store.open_streaming_resource, store.open_atomic_resource):
        with pytest.raises(StoreClosed):
            use(KEY)
    assert "a" not in os.listdir(tmp_path / "cache")
    assert "closed" in repr(store)


def test_many_resources_do_not_pile_up(store: DiskAssetStore) -> None:
    for n in range(200):
        store.open_streaming_resource(ResourceKey("a", str(n))).close()
    assert len(store._disk.still_open) <= 20


async def test_one_key_opened_twice(store: DiskAssetStore) -> None:
    first, second = store.open_streaming_resource(KEY), store.open_streaming_resource(KEY)
    await second.write_at(0, b"2")
    await first.write_at(0, b"1")
    await second.commit(1)
    await first.commit(1)
    assert (first.read_at(0, 1), second.read_at(0, 1)) == (b"1", b"2")
    assert store.open_streaming_resource(KEY).read_at(0, 1) == b"2"
    assert tree(store.root / "asset") == ["segments", "segments/1.ts"]


async def test_a_resumed_resource_goes_on_in_the_next_store(tmp_path: Path) -> None:
    for stored in (0, 4):
        with asset_store(tmp_path / "cache") as store:
            resource = store.open_streaming_resource(KEY, resume=True)
            assert resource.available(0) == stored
            if stored:
                assert resource.identity == {"etag": "x"}
                resource.confirm()
            else:
                resource.restart({"etag": "x"})
            await resource.write_at(stored, b"data")
    assert tree(tmp_path / "cache" / "asset" / "segments") == ["1.ts.map", "1.ts.part"]
    with asset_store(tmp_path / "cache") as store:
        leader, follower = (store.open_streaming_resource(KEY, resume=True) for _ in range(2))
        assert follower.following
        leader.confirm()
        await leader.commit(8)
        assert await follower.lead() is False
        assert follower.read_at(0, 9) == b"datadata"


def test_two_stores_share_a_root(tmp_path: Path) -> None:
    with asset_store(tmp_path / "cache") as one, asset_store(tmp_path / "cache") as two:
        one.open_streaming_resource(KEY)
        assert two.open_streaming_resource(KEY).status is ResourceStatus.PARTIAL


def test_the_root_may_be_reached_by_a_link_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with asset_store(tmp_path / "link") as store:
        assert store.root == tmp_path / "real"
        store.open_streaming_resource(KEY)


@pytest.mark.parametrize("planted", ["asset", "asset/segments", "asset/segments/1.ts"])
async def test_planted_links_are_refused(tmp_path: Path, planted: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "1.ts").write_bytes(b"precious")
    with asset_store(tmp_path / "cache") as store:
        link = store.root / planted
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(outside / "1.ts" if planted.endswith(".ts") else outside)
        with pytest.raises(UnsafePath, match=r"1\.ts"):
            store.open_streaming_resource(KEY)
        atomic = store.open_atomic_resource(KEY)
        with pytest.raises(StorageFailed):
            await atomic.read()
        if planted != "asset/segments/1.ts":  # that one is replaced, not followed
            with pytest.raises(StorageFailed):
                await atomic.write(b"evil")
    assert tree(outside) == ["1.ts"]
    assert (outside / "1.ts").read_bytes() == b"precious"


@pytest.mark.parametrize(
    "foreign",
    [
        {"music.mp3": b"mine"},
        {".git": b""},
        {"CACHEDIR.TAG": b"Signature: another"},
        {"_index": b""},
        {"_index/other": b""},
        {"_index/format": b"something else"},
        {"_index/format": b"kithara cache, format \xb2\n"},
        {"_index/format": b""},
    ],
)
def test_a_foreign_folder_is_refused_and_untouched(
    tmp_path: Path, foreign: dict[str, bytes]
) -> None:
    for name, content in foreign.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    before = tree(tmp_path)
    mode = tmp_path.stat().st_mode
    with pytest.raises((ForeignRoot, UnusableRoot)):
        asset_store(tmp_path)
    assert tree(tmp_path) == before
    assert tmp_path.stat().st_mode == mode


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "_index").mkdir()
    (tmp_path / "_index/format").write_bytes(b"kithara cache, format 2\n")
    with pytest.raises(FormatTooNew, match="format 2") as caught:
        asset_store(tmp_path)
    assert caught.value.version == 2
    assert isinstance(caught.value, ForeignRoot)


@pytest.mark.parametrize(
    "cut_short",
    [
        {},
        {"CACHEDIR.TAG.0123456789abcdef.part": b"Sign"},
        {"CACHEDIR.TAG": b"Signature: 8a477f597d28d172789f06886806bc55\n"},
        {
            "CACHEDIR.TAG": b"Signature: 8a477f597d28d172789f06886806bc55\n",
            "_index/format.0123456789abcdef.part": b"kith",
        },
    ],
)
def test_a_start_that_was_cut_short_is_taken_up(
    tmp_path: Path, cut_short: dict[str, bytes]
) -> None:
    for name, content in cut_short.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    asset_store(tmp_path).close()
    asset_store(tmp_path).close()
    assert (tmp_path / "_index/format").exists()


@pytest.mark.parametrize("mark", [None, b"", b"kithara cache, format ", b"\x00noise\xff"])
async def test_a_damaged_format_mark_is_repaired(tmp_path: Path, mark: bytes | None) -> None:
    root = tmp_path / "cache"
    with asset_store(root) as store:
        await store.open_atomic_resource(KEY).write(b"kept")
    if mark is None:
        shutil.rmtree(root / "_index")
    else:
        (root / "_index/format").write_bytes(mark)
    with asset_store(root) as store:
        assert await store.open_atomic_resource(KEY).read() == b"kept"
    assert (root / "_index/format").read_bytes() == b"kithara cache, format 1\n"


def test_what_cannot_be_a_root(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnusableRoot, match="check its disk"):
        asset_store(tmp_path / "file")
    with pytest.raises(UnusableRoot):
        asset_store(tmp_path / "file" / "below")


def test_a_root_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ForeignRoot, match="another user"):
        asset_store(tmp_path)


def test_it_is_what_the_upper_layers_ask_for(store: DiskAssetStore) -> None:
    assets: Assets = store
    asset = AssetId.from_url("https://example.org/live/master.m3u8?token=1")
    key = ResourceKey(asset.asset_root, encode_path("/live/seg 1.ts"))
    assert assets.open_streaming_resource(key).path.is_relative_to(store.root)
