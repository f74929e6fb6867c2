"""What a type checker makes of a program that uses kithara-assets."""

from typing import assert_type

from kithara_assets import (
    AssetFacts,
    AssetId,
    Assets,
    AssetsError,
    Completeness,
    DiskAssetStore,
    EvictConfig,
    Lease,
    MemoryAssetStore,
    Removed,
    ResourceKey,
    StreamingResource,
    Usage,
    Verification,
    asset_store,
    encode_path,
)


def use(url: str, folder: str) -> None:
    asset = AssetId.from_url(url, discriminator="de")
    key = ResourceKey(asset.asset_root, encode_path("/a/b.ts"))
    with asset_store(folder, EvictConfig(max_bytes=1)) as store:
        assert_type(store, DiskAssetStore)
        assert_type(store.open_streaming_resource(key), StreamingResource)
        assert_type(store.assets(), tuple[AssetFacts, ...])
        assert_type(store.usage(), Usage)
        assert_type(store.verify(), Verification)
        assert_type(store.delete_asset(asset.asset_root), Removed)
        assert_type(store.is_complete(asset.asset_root), Completeness)
        try:
            with store.lease(asset.asset_root) as lease:
                assert_type(lease, Lease)
        except AssetsError as error:
            assert_type(error.recoverable, bool)
    stores: list[Assets] = [store, MemoryAssetStore()]
    assert_type(stores[0], Assets)
