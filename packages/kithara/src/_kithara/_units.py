"""Sizes and times as people read them."""


def megabytes(size: float) -> str:
    """A size in bytes for people: "3.1 MB"."""
    if size < 1000:
        return f"{size:.0f} bytes"
    if size >= 999_950_000:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def clock(seconds: float) -> str:
    """A time for people: "3:04" or "1:02:03"."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
