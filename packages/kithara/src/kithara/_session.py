"""Which kind of source a URL is."""

import os
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from kithara_assets import Assets
from kithara_file import FileOptions, FileSession, FileSource, NotMedia
from kithara_hls import HlsOptions, HlsSession, HlsSource
from kithara_net import Net

from ._errors import InvalidUrl, LocalPlaylist

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
    retries: int | None = None
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
        if self.retries is not None:
            retry = replace(options.retry, max_retries=self.retries)
            options = replace(options, retry=retry)
        return options


def local_file(url: str) -> bool:
    """Whether this names a file of this machine: a `file:` URL, or a path where something is."""
    return url.startswith("file:") or (bool(url) and os.path.exists(url))


def check_url(url: str) -> None:
    """Raise InvalidUrl unless this is an http or https URL."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:  # a bracket that is no address
        usable = False
    if not usable:
        raise InvalidUrl(url)


async def open_local(wish: Wish) -> FileSession:
    """Open a file of this machine; raises `Unreadable`, `NotMedia`, `LocalPlaylist`."""
    try:
        return await FileSource(wish.url, options=wish.file_options()).open()
    except NotMedia as error:
        if error.container == "hls":
            raise LocalPlaylist(wish.url) from error
        raise


async def open_session(wish: Wish, *, store: Assets, net: Net, patient: Net) -> Session:
    """Open a URL as what it is: HLS by its suffix or by its first bytes, else a file.

    `patient` is the net that tries again by itself: for files. HLS knows better what to do about a
    failure, and takes `net`.
    """
    path = urlsplit(wish.url).path
    if not path.lower().endswith(_PLAYLIST_SUFFIXES):
        file = FileSource(wish.url, store=store, net=patient, options=wish.file_options())
        try:
            return await file.open()
        except NotMedia as error:
            if error.container != "hls":
                raise
    return await HlsSource(wish.url, store=store, net=net, options=wish.hls_options()).open()
