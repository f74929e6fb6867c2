"""Transcribe an episode while it downloads; run it again and it comes from the cache.

Needs: pip install 'kithara[av]' faster-whisper
"""

import sys

from faster_whisper import WhisperModel

import kithara


def main(url: str) -> None:
    with kithara.open(url) as track:
        # An ordinary binary file: it waits for bytes that are still on their way.
        segments, _ = WhisperModel("small").transcribe(track.reader().buffered())
        for segment in segments:
            print(f"{segment.start:7.1f} {segment.text}", flush=True)
        track.wait_complete()
        print(f"{track.stats.bytes_received} bytes from the network", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
