"""The commands `kithara cache …`."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from kithara_assets import (
    AssetFacts,
    DiskAssetStore,
    EvictConfig,
    InvalidKey,
    Removed,
    ResourceKey,
)

from ._cache import asset_name, cache, default_cache
from ._complaints import FAILED, complain, complaints
from ._options import CacheOption, JsonOption
from ._units import megabytes

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="See and manage what was kept.\n\nAn asset is named by its URL, or as `ls` shows it.",
)

Assets = Annotated[
    list[str],
    typer.Argument(
        metavar="ASSET",
        help="URLs, or names that `ls` shows.",
        show_default=False,
        autocompletion=lambda: _names(),
    ),
]

NO_CAPS = EvictConfig(max_bytes=None, max_assets=None, min_free_bytes=None)

_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"))
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


@app.command("ls")
def list_assets(folder: CacheOption = None, as_json: JsonOption = False) -> None:
    """List what is in the cache, the least recently used first."""
    with opened(folder) as store:
        assets, usage = store.assets(), store.usage()
        if as_json:
            for asset in assets:
                say(
                    asset=asset.asset_root,
                    bytes=asset.bytes,
                    last_use=asset.last_use,
                    pinned=asset.pinned,
                    in_use=asset.leased,
                    complete=asset.complete,
                )
            return
        for line in _lines(assets):
            sys.stdout.write(f"{line}\n")
        pins = f", {usage.pinned} pinned" if usage.pinned else ""
        free = "" if usage.free is None else f"; {megabytes(usage.free)} free on the disk"
        sys.stdout.write(f"{usage.assets} assets, {megabytes(usage.bytes)}{pins}{free}\n")


@app.command()
def pin(assets: Assets, folder: CacheOption = None, as_json: JsonOption = False) -> None:
    """Keep assets, whatever else has to go, until they are unpinned.

    They may be yet to come.
    """
    with opened(folder) as store:
        for name in names_of(assets):
            store.pin(name)
            told(as_json, f"{name}: pinned", asset=name, pinned=True)


@app.command()
def unpin(assets: Assets, folder: CacheOption = None, as_json: JsonOption = False) -> None:
    """Let assets go again when others need the room."""
    with opened(folder) as store:
        for name in names_of(assets):
            was = store.unpin(name)
            told(as_json, f"{name}: {'unpinned' if was else 'was not pinned'}", asset=name,
                 pinned=False)  # fmt: skip


@app.command()
def verify(folder: CacheOption = None, as_json: JsonOption = False) -> None:
    """Read every complete file against its checksums.

    What is damaged is dropped, and the exit code is 1.
    """
    with opened(folder) as store:
        found = store.verify()
        dropped = [str(path) for path in found.dropped]
        told(
            as_json,
            f"{found.checked} files checked, {len(dropped)} damaged and dropped",
            checked=found.checked,
            dropped=dropped,
        )
        if dropped:
            complain("damaged, and gone: " + ", ".join(dropped), FAILED)


@app.command()
def evict(
    folder: CacheOption = None,
    max_bytes: Annotated[
        str, typer.Option("--max-bytes", metavar="SIZE", help="Such as 500M or 2G.")
    ] = "4G",
    max_age: Annotated[
        float | None, typer.Option("--max-age", metavar="DAYS", min=0, help="Since the last use.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the cache below a size now, the least recently used first.

    What is pinned, or in use by any process, stays.
    """
    config = EvictConfig(
        max_bytes=parse_size(max_bytes), max_age=None if max_age is None else max_age * 86_400
    )
    with opened(folder) as store:
        before = {asset.asset_root: asset.bytes for asset in store.assets()}
    with opened(folder, config) as store:
        store.evict()  # the opening may have begun with it, so what is gone is counted
        left = {asset.asset_root for asset in store.assets()}
    gone = [size for name, size in before.items() if name not in left]
    told_removed(Removed(assets=len(gone), bytes=sum(gone)), as_json)


@app.command()
def clear(
    assets: Annotated[
        list[str] | None,
        typer.Argument(metavar="ASSET", help="Only these; pins of theirs go, too."),
    ] = None,
    pinned: Annotated[bool, typer.Option("--pinned", help="What is pinned, too.")] = False,
    folder: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove everything, or the assets named.

    What is in use stays, and what is pinned unless it is named.
    """
    with opened(folder) as store:
        if not assets:
            told_removed(store.clear(pinned=pinned), as_json)
            return
        removed = [store.delete_asset(name) for name in names_of(assets)]
        told_removed(
            Removed(assets=sum(r.assets for r in removed), bytes=sum(r.bytes for r in removed)),
            as_json,
        )


@app.command()
def path(
    assets: Annotated[
        list[str] | None, typer.Argument(metavar="ASSET", help="The folders of these.")
    ] = None,
    folder: CacheOption = None,
) -> None:
    """Print where the cache lies, or the folders of assets.

    They need not be there yet.
    """
    root = folder or default_cache()
    with complaints():
        for name in names_of(assets) if assets else ("",):
            sys.stdout.write(f"{root / name}\n")


@contextmanager
def opened(folder: Path | None, config: EvictConfig = NO_CAPS) -> Iterator[DiskAssetStore]:
    """Open the cache, and complain as a command does; looking at it takes nothing away."""
    with complaints(), cache(folder, config) as store:
        yield store


def names_of(assets: list[str]) -> list[str]:
    """Names of assets, as they are or of their URLs."""
    return [asset_name(asset) if "://" in asset else _checked(asset) for asset in assets]


def parse_size(text: str) -> int:
    """Turn "500M" into bytes; a wrong one is a usage error."""
    number = text.lower().removesuffix("b").rstrip("kmgt")
    unit = text.lower().removesuffix("b")[len(number) :]
    if not (number.isascii() and number.isdecimal()) or unit not in _UNITS:
        raise typer.BadParameter(
            f"{text!r} is no size such as 500M or 2G", param_hint="--max-bytes"
        )
    return int(number) * _UNITS[unit]


def told_removed(removed: Removed, as_json: bool) -> None:
    """Tell what is gone."""
    told(
        as_json,
        f"removed {removed.assets} assets, {megabytes(removed.bytes)}",
        removed=removed.assets,
        bytes=removed.bytes,
    )


def told(as_json: bool, sentence: str, **facts: object) -> None:
    """One line: a sentence for people, or facts for scripts."""
    if as_json:
        say(**facts)
    else:
        sys.stdout.write(f"{sentence}\n")


def say(**facts: object) -> None:
    """One JSON object on a line."""
    sys.stdout.write(json.dumps(facts) + "\n")


def age(seconds: float) -> str:
    """How long ago, for people: "3 h"."""
    for unit, name in _AGES:
        if seconds >= unit:
            return f"{int(seconds // unit)} {name}"
    return "now"


def _checked(name: str) -> str:
    try:
        return ResourceKey(name, "checked").asset_root
    except InvalidKey as error:
        complaint = f"{name!r} is neither a URL nor a name that `kithara cache ls` shows"
        raise typer.BadParameter(complaint) from error


def _lines(assets: tuple[AssetFacts, ...]) -> Iterator[str]:
    """A table, the names last: a narrow terminal breaks those."""
    now = time.time()
    for asset in assets:
        facts = {"pinned": asset.pinned, "in use": asset.leased, "partial": not asset.complete}
        marks = "".join(f"  ({word})" for word, so in facts.items() if so)
        used = age(now - asset.last_use)
        yield f"{megabytes(asset.bytes):>9} {used:>6}  {asset.asset_root}{marks}"


def _names() -> list[str]:
    root = default_cache()
    if not root.is_dir():
        return []
    return sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("_"))
