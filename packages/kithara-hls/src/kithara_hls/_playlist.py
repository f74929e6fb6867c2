"""What a playlist says, as frozen facts: every URL, byte range and IV is resolved here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from kithara_net import RangeSpec

from ._errors import UnsupportedHls

__all__ = (
    "EncryptionKey",
    "InitSection",
    "MediaPlaylist",
    "MultivariantPlaylist",
    "Rendition",
    "Segment",
    "Variant",
)

_AUDIO_CODECS: Final = ("mp4a", "mp3", "flac", "alac", "opus", "ac-3", "ec-3", "ac-4", "dts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """One EXT-X-MEDIA of TYPE=AUDIO; without ``url`` its audio is in the variant's own segments.

    ``index`` counts the audio renditions of the playlist from 0.
    """

    index: int
    group: str
    name: str
    language: str | None
    default: bool
    autoselect: bool
    url: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One EXT-X-STREAM-INF; ``bandwidth`` in bit/s, 0 where the playlist does not tell it.

    ``pathway`` is the PATHWAY-ID of content steering: variants of other pathways are its backups.
    ``index`` counts the variants of the playlist from 0, in its order.
    """

    index: int
    bandwidth: int
    average_bandwidth: int | None
    codecs: tuple[str, ...]
    resolution: str | None
    audio_group: str | None
    url: str = field(repr=False)
    pathway: str = "."

    @property
    def audio_codecs(self) -> tuple[str, ...]:
        """Those of ``codecs`` that are audio."""
        return tuple(c for c in self.codecs if c.lower().startswith(_AUDIO_CODECS))


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionKey:
    """CBC of a whole part: where the key is, and the 16 bytes of the IV to use with it.

    ``method`` is "AES-128" or "AES-256".
    """

    url: str = field(repr=False)
    iv: bytes
    method: str = "AES-128"

    @property
    def size(self) -> int:
        """Bytes of the key."""
        return 32 if self.method == "AES-256" else 16


@dataclass(frozen=True, slots=True, kw_only=True)
class InitSection:
    """One EXT-X-MAP; ``byte_range`` None means the whole resource."""

    url: str = field(repr=False)
    byte_range: RangeSpec | None
    key: EncryptionKey | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One media segment; ``duration`` in seconds as the playlist says it, ``index`` from 0.

    ``sequence`` is its media sequence number; ``discontinuity`` says that it starts anew.
    """

    index: int
    sequence: int
    duration: float
    url: str = field(repr=False)
    byte_range: RangeSpec | None
    init: InitSection | None
    key: EncryptionKey | None
    discontinuity: bool
    gap: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MultivariantPlaylist:
    """The variants (never I-frame lists) and audio renditions that a presentation offers.

    ``start`` is TIME-OFFSET of EXT-X-START in seconds, negative from the end; ``pathway`` the one
    that EXT-X-CONTENT-STEERING begins with; ``variables`` what its EXT-X-DEFINEs say.
    """

    url: str = field(repr=False)
    variants: tuple[Variant, ...]
    renditions: tuple[Rendition, ...]
    start: float | None = None
    pathway: str | None = None
    session_keys: tuple[str, ...] = field(default=(), repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    def rendition_for(self, variant: Variant, language: str | None = None) -> Rendition | None:
        """Choose the audio of ``variant``: DEFAULT, else AUTOSELECT, else the group's first.

        Those in ``language`` come first, then those of its primary language ("de" for "de-AT").
        None if the variant names no audio group, or one that does not exist.
        """
        group = [r for r in self.renditions if r.group == variant.audio_group]
        if variant.audio_group is None or not group:
            return None
        wanted = (language or "").lower()

        def rank(rendition: Rendition) -> tuple[bool, bool, bool, bool, int]:
            has = (rendition.language or "").lower()
            same = bool(wanted) and has == wanted
            near = bool(wanted) and has.partition("-")[0] == wanted.partition("-")[0]
            return same, near, rendition.default, rendition.autoselect, -rendition.index

        return max(group, key=rank)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPlaylist:
    """The segments of one variant or rendition, in order."""

    url: str = field(repr=False)
    segments: tuple[Segment, ...]
    ended: bool
    playlist_type: str | None
    start: float | None = None

    @property
    def duration(self) -> float:
        """The sum of the segments' durations, in seconds."""
        return sum(segment.duration for segment in self.segments)

    def require_playable(self) -> None:
        """Raise UnsupportedHls for a live list."""
        if not self.ended and self.playlist_type != "vod":
            raise UnsupportedHls(
                "a live playlist",
                "it has no EXT-X-ENDLIST and is not of EXT-X-PLAYLIST-TYPE:VOD, "
                "only recordings can be opened",
                url=self.url,
            )
