"""One progressive URL: play while it downloads, seek anywhere, keep the bytes."""

__all__ = ()
