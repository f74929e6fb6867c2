"""The command `kithara`, and the little that the library shares with it.

Outside of the package `kithara`, so that `--help`, `--version` and the cache's commands need not
wait for numpy, aiohttp and all that sound and network take: what opens a URL imports them.
"""

import signal


def main() -> None:
    """Load the command and run it.

    An interrupt ends the process at once and without a word, as the system does by itself, while
    there is nothing to tidy up: as long as the modules are loaded, and when all is done. What runs
    in between takes it as `KeyboardInterrupt` (see `_kithara._complaints.interruptible`).
    """
    if (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):  # and not ignored, as by nohup
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from ._cli import main as run

    run()
