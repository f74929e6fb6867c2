"""Audio URLs as PCM while the bytes arrive; kept on disk, played again offline."""

__all__ = ()
