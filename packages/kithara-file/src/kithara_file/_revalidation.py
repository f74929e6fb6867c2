"""Whether a file that is here complete is still what the server has."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, runtime_checkable

from kithara_assets import AssetInUse, Assets, ResourceKey, ResourceMissing, SpillingAssets
from kithara_net import ContentChanged, NetError

from ._options import Revalidate
from ._origin import HttpOrigin
from ._resumption import Resumption

SECONDS = 3.0
"""How long the server may take to say so; then what is here is used."""
_SUFFIX = "~checked"
_LONGEST_PATH = 100


@runtime_checkable
class _Deletes(Protocol):
    def delete_asset(self, asset_root: str, /) -> object: ...

    def pins(self) -> tuple[str, ...]: ...


class Revalidation:
    """Asks the server for the last byte of a file, if that is due by `policy`."""

    def __init__(self, store: Assets, key: ResourceKey, policy: Revalidate) -> None:
        self._store = store
        self._key = key
        self._policy = policy

    async def due(self, held: Resumption) -> bool:
        """Whether to ask: what nobody knows anything of is asked for with "always" only."""
        version = held.version
        if self._policy == "never" or version is None:
            return False
        if self._policy == "always":
            return True
        until = version.fresh_until
        return until is not None and max(until, await self._checked_until()) < time.time()

    async def change(self, origin: HttpOrigin, held: Resumption) -> ContentChanged | None:
        """Answer the change, None if there is none or nobody can be asked."""
        last = max(0, (held.resource.length or 0) - 1)
        try:
            async with asyncio.timeout(SECONDS), origin.open(last, last + 1):
                pass
        except ContentChanged as error:
            return error
        except (NetError, TimeoutError):
            return None
        if origin.version is not None and origin.version.fresh_until is not None:
            await self._remember(origin.version.fresh_until)
        return None

    async def discard(self) -> bool:
        """Make room for the new version; False if the old one is pinned, or in use."""
        store, asset_root = self._store, self._key.asset_root
        if isinstance(store, SpillingAssets):
            store = store.below
        if not isinstance(store, _Deletes) or asset_root in store.pins():
            return False
        try:
            with ThreadPoolExecutor(1, "kithara-delete") as aside:  # readers may block the loop's
                await asyncio.get_running_loop().run_in_executor(
                    aside, store.delete_asset, asset_root
                )
        except AssetInUse:
            return False
        return True

    @property
    def _note(self) -> ResourceKey | None:
        path = self._key.rel_path
        if len(path) > _LONGEST_PATH:
            return None
        return ResourceKey(self._key.asset_root, path + _SUFFIX)

    async def _checked_until(self) -> float:
        if self._note is None:
            return 0.0
        try:
            text = await self._store.open_atomic_resource(self._note).read()
        except ResourceMissing:
            return 0.0
        return float(text) if text.isdigit() else 0.0

    async def _remember(self, until: float) -> None:
        if self._note is not None:
            await self._store.open_atomic_resource(self._note).write(b"%d" % max(0, int(until)))
