"""What was learned of a path, kept in the store for the next session with the same host."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from kithara_assets import AssetId, Assets, AssetsError, ResourceKey, StorageError
from kithara_stream import to_the_end

from ._abr_estimate import PathMemory

__all__ = ("RememberedPath",)

_NAME: Final = "throughput.json"


class RememberedPath:
    """The memory of the path to the host of a URL, in a small asset of its own.

    Best effort: what cannot be read, or makes no sense, was never there, and what cannot be
    written is forgotten. The last session to end has the last word. ``now`` is the time of day
    in seconds, by which a memory ages.
    """

    def __init__(self, store: Assets, url: str, *, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._url = url
        self._now = now

    async def recall(self) -> PathMemory | None:
        """What the last session knew, with its age; None if there was none."""
        try:
            resource = self._store.open_atomic_resource(self._key())
            if not resource.exists():
                return None
            facts = json.loads(await resource.read())
            memory = PathMemory(rate=facts["rate"], spread=facts["spread"], ttfb=facts["ttfb"])
            return replace(memory, age=max(0.0, self._now() - facts["taken"]))
        except (StorageError, AssetsError, ValueError, TypeError, KeyError):
            return None

    async def keep(self, memory: PathMemory) -> None:
        """Write it for the next session, as taken now."""
        facts = {"rate": memory.rate, "spread": memory.spread, "ttfb": memory.ttfb}
        body = json.dumps(facts | {"taken": self._now()}).encode()
        try:
            await to_the_end(self._store.open_atomic_resource(self._key()).write(body))
        except (StorageError, AssetsError):
            return

    def _key(self) -> ResourceKey:
        parts = urlsplit(self._url)
        host = parts.netloc.rpartition("@")[2]
        return ResourceKey(
            AssetId.from_url(f"{parts.scheme}://{host}/", "throughput").asset_root, _NAME
        )
