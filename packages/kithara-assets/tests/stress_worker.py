"""One of several processes that use one cache at once; ends with an error at the first wrong byte.

`python stress_worker.py ROOT SEED`; runs until its input ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import select
import sys

from kithara_assets import (
    AssetInUse,
    DiskAssetStore,
    EvictConfig,
    ResourceKey,
    ResourceStatus,
    asset_store,
)

CONFIG = EvictConfig(max_bytes=2 * 1024 * 1024, max_assets=30, min_free_bytes=None)
PINNED = [f"pinned-{n}" for n in range(3)]
LOOSE = [f"asset-{n}" for n in range(60)]


def content(asset_root: str, rel_path: str) -> bytes:
    """What is in a resource, in every process and every generation."""
    seed = hashlib.sha256(f"{asset_root}/{rel_path}".encode()).digest()
    return seed * (500 + seed[0] * 20)


def check(found: bytes, key: ResourceKey) -> None:
    whole = content(key.asset_root, key.rel_path)
    if found != whole[: len(found)]:
        raise SystemExit(f"wrong bytes in {key}")


async def use(store: DiskAssetStore, key: ResourceKey, dice: random.Random) -> None:
    """Read a resource if it is whole, else write some of it or all."""
    whole = content(key.asset_root, key.rel_path)
    with store.open_streaming_resource(key, resume=dice.random() < 0.5) as resource:
        if resource.status is ResourceStatus.COMPLETE:
            for _ in range(dice.randrange(1, 20)):
                check(resource.read_at(0, len(whole)), key)
                await asyncio.sleep(0)
            if not (store.root / key.asset_root / key.rel_path).exists():
                raise SystemExit(f"{key} was removed while it was open")
            return
        if resource.following:
            return
        if not resource.confirmed:
            resource.restart({"etag": "1"})
        middle = dice.randrange(len(whole))
        await resource.write_at(middle, whole[middle:])
        if dice.random() < 0.8:
            await resource.write_at(0, whole[:middle])
            await resource.commit(len(whole))
            check(resource.read_at(0, len(whole)), key)


async def work(store: DiskAssetStore, dice: random.Random) -> None:
    """Do something."""
    action = dice.random()
    asset_root = dice.choice(LOOSE)
    if action < 0.75:
        await use(store, ResourceKey(asset_root, f"{dice.randrange(3)}.bin"), dice)
    elif action < 0.85:
        await use(store, ResourceKey(dice.choice(PINNED), "0.bin"), dice)
    elif action < 0.9:
        store.pin(asset_root)
        store.unpin(asset_root)
    elif action < 0.95:
        with store.lease(asset_root):
            await use(store, ResourceKey(asset_root, "0.bin"), dice)
            if not (store.root / asset_root).is_dir():
                raise SystemExit(f"{asset_root} was removed while it was leased")
    elif action < 0.98:
        try:
            store.delete_asset(asset_root)
        except AssetInUse:
            return
    else:
        store.evict()


async def main(root: str, seed: str) -> None:
    """Work until the input ends."""
    dice = random.Random(seed)
    while True:
        with asset_store(root, CONFIG) as store:
            for _ in range(200):
                await work(store, dice)
                if select.select([sys.stdin], [], [], 0)[0]:
                    return


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
