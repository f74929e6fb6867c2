"""Which kind of source a URL is."""

from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from kithara_assets import Assets
from kithara_file import FileOptions, FileSession, FileSource, NotMedia
from kithara_hls import HlsOptions, HlsSession, HlsSource
from kithara_net import Net

from ._errors import InvalidUrl

Kind: TypeAlias = Literal["file", "hls"]
"""A progressive file, or an HLS playlist."""

Session: TypeAlias = FileSession | HlsSession
Variant: TypeAlias = int | Literal["best", "worst"]

_PLAYLIST_SUFFIXES = (".m3u8", ".m3u")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to hear, and how."""

    url: str
    variant: Variant
    offline: bool
    look_ahead: int


async def open_session(wish: Wish, *, store: Assets, net: Net) -> Session:
    """Open a URL as what it is: HLS by its suffix or by its first bytes, else a file."""
    parts = urlsplit(wish.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidUrl(wish.url)
    if not parts.path.lower().endswith(_PLAYLIST_SUFFIXES):
        file_options = FileOptions(offline=wish.offline, look_ahead=wish.look_ahead)
        file = FileSource(wish.url, store=store, net=net, options=file_options)
        try:
            return await file.open()
        except NotMedia as error:
            if error.container != "hls":
                raise
    options = HlsOptions(offline=wish.offline, variant=wish.variant, look_ahead=wish.look_ahead)
    return await HlsSource(wish.url, store=store, net=net, options=options).open()
