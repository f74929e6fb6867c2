"""What is known of the bytes: their container, and the stretches that one decoder can decode."""

from dataclasses import dataclass, field
from fractions import Fraction

# Enough for a TS sync check and for the box, tag or page header of every other container.
SNIFF_SIZE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """A hint about the bytes; a decoder may only use it to break ties.

    Attributes:
        container: the name that `sniff` gives, or None.
        codec: an RFC 6381 codec string such as "mp4a.40.2", or None.
        media_type: the type that the server declared ("audio/mpeg"), or None.
    """

    container: str | None = None
    codec: str | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSpan:
    """A stretch of bytes that one decoder set-up can decode.

    Attributes:
        start: first byte, in the coordinates of the source.
        stop: the byte after the last one; None while the end of the span is not known.
        media_info: the hint for this span.
        timeline: spans with equal numbers share one media clock.
        seconds: presentation time of its first access unit, counted from the first one of the
            whole source; None where the source does not know.
        silence: seconds left out before it, to be heard as silence.
    """

    start: int
    stop: int | None
    media_info: MediaInfo = field(default_factory=MediaInfo)
    timeline: int = 0
    seconds: Fraction | None = None
    silence: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeekPoint:
    """Where a source goes on after a seek in time; a span starts there.

    Attributes:
        offset: byte in the coordinates of the source.
        seconds: presentation time of the first access unit there, counted from the first one of
            the whole source by the container's own timestamps (edit lists and priming not
            subtracted); by the durations that a playlist tells where there are none.
    """

    offset: int
    seconds: Fraction


_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"ID3", "mp3"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"caff", "caf"),
    (0, b".snd", "au"),
    (0, b"riff\x2e\x91\xcf\x11", "w64"),
    (8, b"WAVE", "wav"),
    (8, b"AIFF", "aiff"),
    (8, b"AIFC", "aiff"),
    (4, b"ftyp", "mp4"),
    (4, b"styp", "mp4"),
    (4, b"moov", "mp4"),
    (4, b"moof", "mp4"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
)
_TS_PACKET = 188


def sniff(head: bytes) -> str | None:
    """Name the container from the first bytes, for routing; None where nothing is recognised.

    `head` should hold at least `SNIFF_SIZE` (1024) bytes, or the whole file if it is shorter.
    Names: mp3 adts flac ogg wav aiff caf au w64 mp4 mpegts matroska hls html. An ID3 tag answers
    "mp3", the most common thing behind one; a decoder looks behind the tag itself.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:64].lower()
    if text.startswith(b"#extm3u"):
        return "hls"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "html"
    for offset, magic, name in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return name
    if len(head) > 2 * _TS_PACKET and all(
        head[i] == 0x47 for i in range(0, min(len(head), 5 * _TS_PACKET), _TS_PACKET)
    ):
        return "mpegts"
    if len(head) >= 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        # Layer bits 00 are reserved in MPEG audio and fixed in ADTS (ISO 13818-7, 6.2).
        return "adts" if head[1] & 0xF6 == 0xF0 else "mp3"
    return None
