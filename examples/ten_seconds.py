"""Ten seconds from the middle of something long, as an array, for few bytes.

Needs: pip install kithara
"""

import sys

import kithara


def main(url: str, start: float = 3600.0, seconds: float = 10.0) -> None:
    with kithara.open(url, look_ahead=256 * 1024) as track:
        track.seek(start)
        block = next(track.blocks(seconds=seconds))
        print(block.data.shape, block.start / block.spec.sample_rate)
        print(f"{track.stats.bytes_received} of {track.length} bytes")


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:]))
