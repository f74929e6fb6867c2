from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_assets import EvictConfig, ResourceKey, asset_store
from kithara_assets._index import SIZE_BITS
from kithara_assets._snapshot import Snapshot, decode, encode

ROOTS = st.text("abcdefghij0123456789-~.", min_size=1, max_size=40)
NUMBERS = st.integers(0, (1 << (SIZE_BITS + 51)) - 1)


@given(st.integers(0, 2**63), st.dictionaries(ROOTS, NUMBERS))
def test_what_is_written_is_read(as_of: int, numbers: dict[str, int]) -> None:
    snapshot = Snapshot(as_of, numbers)
    assert decode(encode(snapshot)) == snapshot


def test_any_damage_is_noticed() -> None:
    data = encode(Snapshot(7, {f"asset-{n}": n << SIZE_BITS | n for n in range(5)}))
    for cut in range(len(data)):
        assert decode(data[:cut]) is None
        noise = bytearray(data)
        noise[cut] ^= 0x41
        assert decode(bytes(noise)) is None
    assert decode(data + b"x") is None


@pytest.mark.parametrize("damage", ["cut", "noise", "folder", "link", "gone"])
async def test_a_damaged_snapshot_costs_nothing_but_time(tmp_path: Path, damage: str) -> None:
    root = tmp_path / "cache"
    with asset_store(root) as store:
        for name in "abcd":
            await store.open_atomic_resource(ResourceKey(name, "x.bin")).write(b"x" * 100_000)
    place = root / "_index/lru.snap"
    whole = place.read_bytes()
    place.unlink()
    if damage == "cut":
        place.write_bytes(whole[:-7])
    elif damage == "noise":
        place.write_bytes(os.urandom(len(whole)))
    elif damage == "folder":
        place.mkdir()
    elif damage == "link":
        place.symlink_to("/etc/passwd")
    with asset_store(root) as store:
        for name in "abcd":
            with store.open_streaming_resource(ResourceKey(name, "x.bin")) as resource:
                assert resource.length == 100_000
    with asset_store(root, EvictConfig(max_bytes=250_000)) as store:
        store.evict()
        assert [name for name in "abcd" if (root / name).exists()] == ["c", "d"]
    assert (damage == "folder") == place.is_dir()


@pytest.mark.parametrize("cut", range(0, 400, 7))
async def test_every_file_of_the_index_cut_anywhere(tmp_path: Path, cut: int) -> None:
    root = tmp_path / "cache"
    key = ResourceKey("song", "a.bin")
    with asset_store(root) as store:
        await store.open_atomic_resource(key).write(b"whole")
        store.evict()
    for path in (root / "_index").iterdir():
        if path.is_file() and path.stat().st_size > cut:
            os.truncate(path, cut)
    with asset_store(root) as store, store.open_streaming_resource(key) as resource:
        assert resource.read_at(0, 9) == b"whole"
