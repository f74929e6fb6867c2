"""Settings for every test of the workspace."""

import signal

from hypothesis import settings

# The same examples in every run, and no verdict on a machine that is busy with something else.
settings.register_profile("kithara", derandomize=True, deadline=None)
settings.load_profile("kithara")

# A shell that starts something in the background makes it deaf to Ctrl-C, and all its children:
# those that the tests interrupt have to hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
