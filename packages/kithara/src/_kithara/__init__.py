"""The first step of the command `kithara`, outside of the package so as to come before it."""

import signal


def main() -> None:
    """Load the command and run it.

    An interrupt ends the process at once and without a word, as the system does by itself, while
    there is nothing to tidy up: as long as the modules are loaded, and when all is done. What runs
    in between takes it as `KeyboardInterrupt` (see `kithara._complaints.interruptible`).
    """
    if (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):  # and not ignored, as by nohup
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from kithara._cli import main as run

    run()
