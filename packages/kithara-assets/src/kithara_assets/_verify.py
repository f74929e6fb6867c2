"""Finding and dropping what nobody may believe."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from kithara_storage import ResourceStatus, StorageError

from ._assets import Assets
from ._contents import files_below
from ._errors import InvalidKey
from ._key import ResourceKey
from ._leases import LeaseTable
from ._models import Verification
from ._rooted import RootedFs
from ._survey import assets_below

_RECORDS = (".part", ".map", ".meta")


def verify(root: Path, assets: Assets, fs: RootedFs, leases: LeaseTable) -> Verification:
    """Look at every file of every asset; each asset is leased meanwhile."""
    checked = 0
    dropped: list[str] = []
    for asset_root, _ in assets_below(root):
        held = leases.acquire(asset_root, make=False)
        if held is None:
            continue  # it was just removed
        try:
            folder = root / asset_root
            dropped += [f"{asset_root}/{name}" for name in _drop_strange(fs, folder)]
            for rel_path in list(files_below(os.fspath(folder))):
                if rel_path.endswith(_RECORDS):
                    continue  # storage believes these only as far as their checksums go
                checked += 1
                if not _is_sound(assets, asset_root, rel_path):
                    _drop(fs, folder / rel_path)
                    dropped.append(f"{asset_root}/{rel_path}")
        finally:
            leases.release(asset_root, held)
    return Verification(checked=checked, dropped=tuple(dropped))


def _is_sound(assets: Assets, asset_root: str, rel_path: str) -> bool:
    try:
        key = ResourceKey(asset_root, rel_path)
    except InvalidKey:
        return True  # not ours to judge
    try:
        with assets.open_streaming_resource(key) as resource:
            return resource.status is ResourceStatus.COMPLETE and resource.check() is not False
    except StorageError:
        return True  # what cannot be looked at is not known to be broken


def _drop(fs: RootedFs, path: Path) -> None:
    with contextlib.suppress(OSError):  # it is not believed anyway
        fs.unlink(path)
        fs.unlink(path.with_name(f"{path.name}.meta"))


def _drop_strange(fs: RootedFs, folder: Path) -> Iterator[str]:
    """Remove what is neither file nor folder: links, sockets, devices."""
    folders = [folder]
    while folders:
        at = folders.pop()
        with contextlib.suppress(OSError):
            for name in fs.names(at):
                facts = fs.stat(at / name)
                if facts is None or stat.S_ISREG(facts.st_mode):
                    continue
                if stat.S_ISDIR(facts.st_mode):
                    folders.append(at / name)
                    continue
                fs.unlink(at / name)
                yield str((at / name).relative_to(folder))
