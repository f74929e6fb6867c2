"""The one place that loads the C extension, and says what to install when it does not load."""

try:
    from ._native import ffi, lib
except ImportError as exc:
    raise ImportError(
        "the C extension of kithara-decode cannot be loaded: install the package from a wheel, or "
        "build it with libmpg123, libsndfile, libFLAC, libvorbis and libopusfile there (Debian: "
        "apt install libmpg123-dev libsndfile1-dev libflac-dev libvorbis-dev libopusfile-dev; "
        f"macOS: brew install mpg123 libsndfile flac libvorbis opusfile) [{exc}]"
    ) from exc

__all__ = ("ffi", "lib")
