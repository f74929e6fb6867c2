"""Who an asset is, and where a resource of it lives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ._errors import InvalidKey, InvalidUrl
from ._names import digest, is_reserved, prefix_of
from ._url import canonical_url

_ROOT = re.compile(r"[a-z0-9][a-z0-9._~-]*")
_COMPONENT = re.compile(r"[a-z0-9_][a-z0-9._~-]*")
_MAX_COMPONENT = 120
_MAX_PATH = 240
_RESERVED_ROOTS = frozenset({"cachedir.tag"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetId:
    """The identity of one asset: what a user would call "the same thing again".

    Made by `from_url`. `url` is the canonical URL; `asset_root` the name of the asset's folder,
    with a readable beginning and a hash over the URL and the discriminator.
    """

    url: str
    asset_root: str

    @classmethod
    def from_url(cls, url: str, discriminator: str | None = None) -> AssetId:
        """Identify the asset behind an absolute URL.

        Its query, fragment and user-info do not count: signed URLs of one asset are one asset.
        Where a site tells assets apart by query only, pass what does so as `discriminator`; it
        is hashed, not stored. Raises `InvalidUrl`.
        """
        try:
            canonical = canonical_url(url)
        except ValueError as error:
            raise InvalidUrl(url=url, reason=str(error)) from None
        parts = urlsplit(canonical)
        last = parts.path.rstrip("/").rpartition("/")[2]
        stem = last.rpartition(".")[0] or last
        host = re.sub(r"[^a-z0-9.]+", "-", parts.hostname or "")[:40].strip("-.") or "host"
        readable = f"{host}-{prefix_of(stem)}" if stem else host
        facts = (canonical,) if discriminator is None else (canonical, discriminator)
        return cls(url=canonical, asset_root=f"{readable}~{digest('asset', *facts)}")


@dataclass(frozen=True, slots=True)
class ResourceKey:
    """Where one resource lives: `<root>/<asset_root>/<rel_path>`.

    Both are lower-case ASCII names that mean themselves on every file system; `rel_path` has its
    parts divided by `/`. Raises `InvalidKey` for anything else, so that a key never leaves the
    root. `AssetId.from_url` and `encode_path` make names that always pass. Keys made by hand must
    not use one name for a file and for a folder.
    """

    asset_root: str
    rel_path: str

    def __post_init__(self) -> None:
        check_asset_root(self.asset_root)
        if len(self.rel_path) > _MAX_PATH:
            raise InvalidKey(name=self.rel_path, reason=f"over {_MAX_PATH} characters")
        for component in self.rel_path.split("/"):
            _check(component, _COMPONENT)


def check_asset_root(name: str) -> None:
    """Raise `InvalidKey` unless a name can be that of an asset's folder."""
    _check(name, _ROOT)
    if name in _RESERVED_ROOTS:
        raise InvalidKey(name=name, reason="the cache keeps it for itself")


def is_asset_root(name: str) -> bool:
    """Whether a name can be that of an asset's folder."""
    try:
        check_asset_root(name)
    except InvalidKey:
        return False
    return True


def _check(name: str, pattern: re.Pattern[str]) -> None:
    if not name:
        raise InvalidKey(name=name, reason="an empty part")
    if len(name) > _MAX_COMPONENT:
        raise InvalidKey(name=name, reason=f"a part of over {_MAX_COMPONENT} characters")
    if not pattern.fullmatch(name):
        raise InvalidKey(name=name, reason="only a-z, 0-9 and . _ ~ - inside a part")
    if name.endswith(".") or is_reserved(name):
        raise InvalidKey(name=name, reason="a reserved name")
