"""Every family of errors that can come out of the front door."""

from _kithara._urls import shown
from kithara_assets import AssetsError
from kithara_decode import DecodeError
from kithara_file import FileError
from kithara_hls import HlsError
from kithara_net import NetError
from kithara_storage import StorageError
from kithara_stream import StreamError


class KitharaError(Exception):
    """Base of what the front door raises on its own account.

    Attributes:
        recoverable: whether the same call may succeed later.
    """

    recoverable: bool = False


class InvalidUrl(KitharaError):
    """Raised when what was given is neither an http or https URL nor a file."""

    def __init__(self, url: str) -> None:
        super().__init__(f"{shown(url)!r} is not an http or https URL, nor a file that is here")
        self.url = url


class LocalPlaylist(InvalidUrl):
    """Raised when an HLS playlist is given as a file: what it names is fetched over HTTP only."""

    def __init__(self, url: str) -> None:
        KitharaError.__init__(
            self,
            "this is an HLS playlist, which is played over http or https only; "
            "`python -m http.server` serves a folder",
        )
        self.url = url


class NoVariants(KitharaError):
    """Raised when a variant is chosen of something that has none."""

    def __init__(self, url: str) -> None:
        super().__init__("this is one file, not an HLS playlist: there are no variants to choose")
        self.url = url


ERRORS: tuple[type[Exception], ...] = (
    KitharaError,
    NetError,
    StorageError,
    AssetsError,
    StreamError,
    FileError,
    HlsError,
    DecodeError,
)
"""The base classes of all packages: `except kithara.ERRORS` catches whatever Kithara raises."""
