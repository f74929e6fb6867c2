"""Where the resources of an asset lie in the cache: names outlive tokens and never collide."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from kithara_assets import ResourceKey, encode_path
from kithara_net import RangeSpec

from ._urls import canonical

__all__ = ("CacheNames", "PartId", "final_url_key", "playlist_key")

PartId = tuple[str, RangeSpec | None]


def playlist_key(asset_root: str, name: str) -> ResourceKey:
    """Name a playlist: ``master`` for the URL given, else ``variant_<i>`` or ``audio_<i>``."""
    return ResourceKey(asset_root, f"{name}.m3u8")


def final_url_key(asset_root: str, name: str) -> ResourceKey:
    """Name the note of where a redirected playlist came from in the end."""
    return ResourceKey(asset_root, f"{name}.m3u8.url")


class CacheNames:
    """Names the resources of one kind (segments, init, keys) of one playlist.

    A name is the path of the URL. Only where the playlist needs more to tell two resources apart
    it holds more: the host where there are several, the query where two differ by nothing else,
    the byte range where it is part of a file.
    """

    def __init__(self, asset_root: str, folder: str, resources: Iterable[PartId]) -> None:
        self._asset_root = asset_root
        self._folder = folder
        queries: dict[tuple[str, str, str], set[str]] = {}
        for url, _ in resources:
            queries.setdefault(canonical(url), set()).add(urlsplit(url).query)
        self._needs_query = {place for place, found in queries.items() if len(found) > 1}
        self._needs_host = len({place[:2] for place in queries}) > 1

    def key(self, url: str, byte_range: RangeSpec | None = None) -> ResourceKey:
        """Name one of the resources that this was made for."""
        place = canonical(url)
        scheme, host, path = place
        if self._needs_host:
            path = f"/{scheme}/{host}{path}"
        query = urlsplit(url).query if place in self._needs_query else None
        if byte_range is not None:  # "#" is in no query, so nothing else is named like it
            query = f"{query or ''}#{byte_range.start}-{byte_range.stop}"
        return ResourceKey(self._asset_root, f"{self._folder}/{encode_path(path, query)}")
