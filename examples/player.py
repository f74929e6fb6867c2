"""Play HLS or a file on the sound card; type a number of seconds and Enter to go there.

Needs: pip install 'kithara[av,play]'
"""

import contextlib
import sys
import threading

import sounddevice

import kithara


def seek_on_command(track: kithara.Track) -> None:
    for line in sys.stdin:
        with contextlib.suppress(ValueError):  # not a number, or a negative one
            track.seek(float(line))


def main(url: str) -> None:
    with kithara.open(url, variant="auto") as track:
        threading.Thread(target=seek_on_command, args=(track,), daemon=True).start()
        spec = track.spec
        with sounddevice.OutputStream(spec.sample_rate, channels=spec.channels) as speaker:
            for block in track.blocks(seconds=0.1):
                speaker.write(block.data)
                print(f"\r{track.position:7.1f} s of {track.duration or 0:.1f} s", end="")
    print()


if __name__ == "__main__":
    main(sys.argv[1])
