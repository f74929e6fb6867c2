"""Where the cache lies if nobody says."""

from pathlib import Path

from platformdirs import user_cache_path


def default_cache() -> Path:
    """The platform's folder for caches, for this user and Kithara. It need not exist yet."""
    return user_cache_path("kithara", appauthor=False)
