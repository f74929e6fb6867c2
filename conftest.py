"""Settings for every test of the workspace."""

from hypothesis import settings

# The same examples in every run, and no verdict on a machine that is busy with something else.
settings.register_profile("kithara", derandomize=True, deadline=None)
settings.load_profile("kithara")
