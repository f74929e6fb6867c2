"""Which kind of source a URL is."""

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


async def open_session(
    url: str, *, store: Assets, net: Net, offline: bool, variant: Variant, look_ahead: int
) -> Session:
    """Open a URL as what it is: HLS by its suffix or by its first bytes, else a file."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidUrl(url)
    if not parts.path.lower().endswith(_PLAYLIST_SUFFIXES):
        file = FileSource(
            url,
            store=store,
            net=net,
            options=FileOptions(offline=offline, look_ahead=look_ahead),
        )
        try:
            return await file.open()
        except NotMedia as error:
            if error.container != "hls":
                raise
    options = HlsOptions(offline=offline, variant=variant, look_ahead=look_ahead)
    return await HlsSource(url, store=store, net=net, options=options).open()
