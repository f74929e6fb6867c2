"""Which kind of source a URL is."""

from dataclasses import dataclass, field, replace
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
Variant: TypeAlias = int | Literal["auto", "best", "worst"]

_PLAYLIST_SUFFIXES = (".m3u8", ".m3u")
_BEST = HlsOptions(variant="best")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to hear, and how; None is the default of the source."""

    url: str
    variant: Variant | None = None
    offline: bool = False
    look_ahead: int | None = None
    hls: HlsOptions | None = field(default=None, repr=False)

    def file_options(self) -> FileOptions:
        """The options of a progressive file."""
        options = FileOptions(offline=self.offline)
        return options if self.look_ahead is None else replace(options, look_ahead=self.look_ahead)

    def hls_options(self) -> HlsOptions:
        """The options of a playlist: those that were given, but for what was said besides."""
        options = self.hls or _BEST
        if self.offline:
            options = replace(options, offline=True)
        if self.variant is not None:
            options = replace(options, variant=self.variant)
        if self.look_ahead is not None:
            options = replace(options, look_ahead=self.look_ahead)
        return options


async def open_session(wish: Wish, *, store: Assets, net: Net) -> Session:
    """Open a URL as what it is: HLS by its suffix or by its first bytes, else a file."""
    parts = urlsplit(wish.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidUrl(wish.url)
    if not parts.path.lower().endswith(_PLAYLIST_SUFFIXES):
        file = FileSource(wish.url, store=store, net=net, options=wish.file_options())
        try:
            return await file.open()
        except NotMedia as error:
            if error.container != "hls":
                raise
    return await HlsSource(wish.url, store=store, net=net, options=wish.hls_options()).open()
