"""Episodes for the plane: fetch and pin them, play them offline, and let old ones go.

Needs: pip install 'kithara[av]'
Usage: podcast.py FOLDER get URL | play URL | done URL | list
"""

import sys

import kithara
from kithara_assets import EvictConfig, OfflineMiss

CAPS = EvictConfig(max_bytes=2_000_000_000, max_age=30 * 86_400)


def main(folder: str, command: str, url: str = "") -> None:
    with kithara.cache(folder, CAPS) as store:
        if command == "get":
            store.pin(kithara.asset_name(url))  # stays, whatever else has to go
            stats = kithara.fetch(url, store=store)
            print(f"{stats.bytes_received} bytes fetched, {stats.bytes_cached} were here")
        elif command == "play":
            try:
                with kithara.open(url, store=store, offline=True) as track:
                    print(track.tags.get("title", url), f"{track.duration:.0f} s")
                    print(sum(len(chunk.data) for chunk in track), "frames")
            except OfflineMiss as error:
                print(f"not on this device: {error}")
        elif command == "done":
            store.unpin(kithara.asset_name(url))
        for asset in store.assets():
            print(asset.asset_root, asset.bytes, "pinned" if asset.pinned else "")


if __name__ == "__main__":
    main(*sys.argv[1:])
