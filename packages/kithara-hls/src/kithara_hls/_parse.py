"""Bytes of a playlist to facts: m3u8 reads the lines, the rules that decide about bytes are ours.

Only the tags that matter here reach m3u8, so that an odd value in any other tag cannot fail a
playlist. Tags whose meaning depends on what stands before them are interpreted in this module:
m3u8 keeps one EXT-X-KEY per segment and none for an EXT-X-MAP, and leaves byte ranges open.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from m3u8.parser import parse as parse_lines

from kithara_net import RangeSpec

from . import _tags as tags
from ._errors import PlaylistInvalid, PlaylistLimit, UnsupportedHls
from ._playlist import (
    InitSection,
    MediaPlaylist,
    MultivariantPlaylist,
    Rendition,
    Segment,
    Variant,
)
from ._variables import Variables

__all__ = ("MAX_PLAYLIST_BYTES", "MAX_SEGMENTS", "parse_playlist")

MAX_PLAYLIST_BYTES: Final = 8 * 1024 * 1024
MAX_SEGMENTS: Final = 100_000

_LINE_BREAK: Final = re.compile(rb"\r\n|\n|\r")
# What str.splitlines() breaks at beyond CR and LF; m3u8 uses it, RFC 8216 does not.
_OTHER_BREAKS: Final = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_NAME: Final = re.compile(r"#EXT[A-Z0-9-]*(?=:|$)")
_SEGMENT_TAGS: Final = frozenset(
    (
        "#EXTINF",
        "#EXT-X-BYTERANGE",
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-ENDLIST",
        "#EXT-X-GAP",
        "#EXT-X-KEY",
        "#EXT-X-MAP",
        "#EXT-X-MEDIA-SEQUENCE",
        "#EXT-X-PLAYLIST-TYPE",
    )
)
_VARIANT_TAGS: Final = frozenset(("#EXT-X-STREAM-INF", "#EXT-X-MEDIA"))
_REFUSED: Final = {
    "#EXT-X-SKIP": "a delta update is not a whole playlist",
    "#EXT-X-I-FRAMES-ONLY": "a list of I-frames has no audio",
    "#EXT-X-IMAGES-ONLY": "a list of images has no audio",
}


def parse_playlist(
    data: bytes,
    url: str,
    *,
    max_bytes: int = MAX_PLAYLIST_BYTES,
    max_segments: int = MAX_SEGMENTS,
    variables: Mapping[str, str] | None = None,
) -> MultivariantPlaylist | MediaPlaylist:
    """Parse a playlist that came from ``url`` (the final one: all URIs are resolved against it).

    ``variables`` are those of the multivariant playlist that led to it, for EXT-X-DEFINE:IMPORT.
    Raises PlaylistInvalid, UnsupportedHls (by the name of the tag) or PlaylistLimit. A live list
    and gaps are facts here, see ``MediaPlaylist.require_playable``.
    """
    if len(data) > max_bytes:
        raise PlaylistLimit("max_playlist_bytes", max_bytes, url=url)
    return _Parser(url, max_segments, variables).parse(data)


class _Parser:
    def __init__(self, url: str, max_segments: int, variables: Mapping[str, str] | None) -> None:
        self._url = url
        self._variables = Variables(url, variables)
        self._start: float | None = None
        self._pathway: str | None = None
        self._session_keys: dict[str, None] = {}
        self._max_segments = max_segments
        self._line = 0
        self._numbers: list[int] = []  # the line in the playlist of each line that m3u8 sees
        self._keys = tags.NO_KEYS

    def parse(self, data: bytes) -> MultivariantPlaylist | MediaPlaylist:
        try:
            kept = list(self._kept_lines(data))
            found: dict[str, Any] = parse_lines("\n".join(kept), custom_tags_parser=self._read_tag)
        except (ValueError, tags.TagInvalid) as exc:
            reason = (
                str(exc)
                if isinstance(exc, tags.TagInvalid)
                else "a value that must be a number is none"
            )
            raise self._invalid(reason) from exc
        if found["playlists"] or found["media"]:
            if found["segments"]:
                self._line = 0
                raise self._invalid("it mixes variants and segments")
            return self._multivariant(found)
        return self._media(found)

    def _invalid(self, reason: str) -> PlaylistInvalid:
        return PlaylistInvalid(reason, url=self._url, line=self._line or None)

    # -- lines ---------------------------------------------------------------------------------

    def _kept_lines(self, data: bytes) -> Iterator[str]:
        """Check the order of the lines, and keep those that m3u8 is to see."""
        started = False
        awaiting: str | None = None
        multivariant = False
        segments = 0
        for self._line, raw in enumerate(_LINE_BREAK.split(data), 1):
            line = self._text(raw, first=self._line == 1)
            if not line:
                continue
            if not started:
                self._check_header(line)
                started = True
                self._keep()
                yield "#EXTM3U"
                continue
            name = match[0] if (match := _NAME.match(line)) else ""
            if name == "#EXT-X-DEFINE":
                self._variables.define(line.partition(":")[2])
                continue
            line = self._variables.substitute(line)
            if name in _REFUSED:
                raise UnsupportedHls(name.removeprefix("#"), _REFUSED[name], url=self._url)
            if name in ("#EXTINF", "#EXT-X-STREAM-INF"):
                if awaiting is not None:
                    raise self._invalid(f"the {awaiting.removeprefix('#')} before has no URI")
                awaiting = name
                segments += name == "#EXTINF"
                if segments > self._max_segments:
                    raise PlaylistLimit("max_segments", self._max_segments, url=self._url)
            elif not line.startswith("#"):
                if awaiting is None and multivariant:
                    continue
                if awaiting is None:
                    raise self._invalid("a URI follows neither EXTINF nor EXT-X-STREAM-INF")
                awaiting = None
            elif name == "#EXT-X-START":
                self._start = tags.time_offset(line.partition(":")[2])
                continue
            elif name == "#EXT-X-CONTENT-STEERING":
                self._pathway = tags.attributes(line.partition(":")[2]).get("PATHWAY-ID")
                continue
            elif name == "#EXT-X-SESSION-KEY":
                found = tags.session_key_url(line.partition(":")[2], url=self._url)
                if found is not None:
                    self._session_keys[found] = None
                continue
            elif name not in _SEGMENT_TAGS and name not in _VARIANT_TAGS:
                continue
            multivariant = multivariant or name in _VARIANT_TAGS
            self._keep()
            yield line
        self._line = 0
        if not started:
            raise self._invalid("it is empty")
        if awaiting is not None:
            raise self._invalid(f"the last {awaiting.removeprefix('#')} has no URI")

    def _keep(self) -> None:
        self._numbers.append(self._line)

    def _text(self, raw: bytes, *, first: bool) -> str:
        stripped = raw.strip()
        if first:
            stripped = stripped.removeprefix(b"\xef\xbb\xbf").lstrip()
        try:
            text = stripped.decode("utf-8")
        except UnicodeDecodeError as exc:
            if stripped.startswith(b"#") and not stripped.startswith(b"#EXT-X-"):
                text = stripped.decode("utf-8", "replace")  # a title, or a comment
            else:
                raise self._invalid("it is not UTF-8") from exc
        return _OTHER_BREAKS.sub(" " if text.startswith("#EXTINF") else _escape, text).strip()

    def _check_header(self, line: str) -> None:
        if re.match(r"#EXTM3U(?![\w-])", line):
            return
        html = line[:15].lower().startswith(("<!doctype html", "<html", "<head", "<body"))
        raise self._invalid("it is an HTML page" if html else "it does not start with #EXTM3U")

    # -- tags, in the order of the lines -------------------------------------------------------

    def _read_tag(
        self, line: str, number: int, _found: dict[str, Any], state: dict[str, Any]
    ) -> bool:
        """Called by m3u8 for each tag; True takes the tag out of its hands."""
        self._line = self._numbers[number - 1]
        name, _, value = line.partition(":")
        match name:
            case "#EXT-X-KEY":
                self._keys = tags.add_key(self._keys, value)
                state["current_key"] = {"in force": self._keys} if self._keys else None
            case "#EXT-X-MAP":
                state["current_segment_map"] = {"init": self._init_section(value)}
            case "#EXT-X-STREAM-INF":
                state["expect_playlist"] = True
                state["stream_info"] = tags.attributes(value)
            case _:
                return False
        return True

    def _init_section(self, value: str) -> InitSection:
        written = tags.attributes(value)
        if not written.get("URI"):
            raise tags.TagInvalid("EXT-X-MAP has no URI")
        ranged = written.get("BYTERANGE")
        return InitSection(
            url=self._resolve(written["URI"], "EXT-X-MAP"),
            byte_range=tags.byte_range(ranged, 0) if ranged is not None else None,
            key=tags.key_for(self._keys, url=self._url, sequence=None),
        )

    # -- facts ---------------------------------------------------------------------------------

    def _resolve(self, reference: str, what: str) -> str:
        return tags.http_url(self._url, reference, what=what)

    def _media(self, found: dict[str, Any]) -> MediaPlaylist:
        self._line = 0
        first = found["media_sequence"]
        if not 0 <= first < 2**64:
            raise self._invalid("EXT-X-MEDIA-SEQUENCE is not within 0 to 2^64 - 1")
        if not found["segments"]:
            raise self._invalid("it has neither segments nor variants")
        segments: list[Segment] = []
        for index, read in enumerate(found["segments"]):
            previous = segments[-1] if segments else None
            try:
                segments.append(self._segment(index, first + index, read, previous))
            except tags.TagInvalid as exc:
                raise self._invalid(f"segment {index}: {exc}") from exc
        return MediaPlaylist(
            url=self._url,
            segments=tuple(segments),
            ended=found["is_endlist"],
            playlist_type=found["playlist_type"] or None,
            start=self._start,
        )

    def _segment(
        self, index: int, sequence: int, read: dict[str, Any], previous: Segment | None
    ) -> Segment:
        if "uri" not in read or "duration" not in read:
            raise tags.TagInvalid("EXT-X-BYTERANGE has no EXTINF with a URI")
        url = self._resolve(read["uri"], "a segment")
        duration: float = read["duration"]
        if not math.isfinite(duration) or duration < 0:
            raise tags.TagInvalid("EXTINF is not a duration")
        ranged: RangeSpec | None = None
        if "byterange" in read:
            before = previous.byte_range if previous is not None and previous.url == url else None
            implicit = before.stop if before is not None else None
            ranged = tags.byte_range(read["byterange"], implicit)
        init = read.get("init_section")
        keys = read["key"]["in force"] if read.get("key") else tags.NO_KEYS
        return Segment(
            index=index,
            sequence=sequence,
            duration=duration,
            url=url,
            byte_range=ranged,
            init=init["init"] if init else None,
            key=tags.key_for(keys, url=self._url, sequence=sequence),
            discontinuity=bool(read.get("discontinuity")),
            gap=bool(read.get("gap_tag")),
        )

    def _multivariant(self, found: dict[str, Any]) -> MultivariantPlaylist:
        self._line = 0
        try:
            variants = tuple(
                self._variant(index, read["uri"], read["stream_info"])
                for index, read in enumerate(found["playlists"])
            )
            audio = [read for read in found["media"] if read.get("type") == "AUDIO"]
            renditions = tuple(self._rendition(index, read) for index, read in enumerate(audio))
        except tags.TagInvalid as exc:
            raise self._invalid(str(exc)) from exc
        if not variants:
            raise self._invalid("it has renditions, but no variants")
        return MultivariantPlaylist(
            url=self._url,
            variants=variants,
            renditions=renditions,
            start=self._start,
            pathway=self._pathway,
            session_keys=tuple(self._session_keys),
            variables=self._variables.values,
        )

    def _variant(self, index: int, uri: str, written: tags.Attributes) -> Variant:
        codecs = written.get("CODECS", "").split(",")
        return Variant(
            index=index,
            bandwidth=_bits(written.get("BANDWIDTH")) or 0,
            average_bandwidth=_bits(written.get("AVERAGE-BANDWIDTH")),
            codecs=tuple(codec.strip() for codec in codecs if codec.strip()),
            resolution=written.get("RESOLUTION"),
            audio_group=written.get("AUDIO"),
            pathway=written.get("PATHWAY-ID", "."),
            url=self._resolve(uri, "a variant"),
        )

    def _rendition(self, index: int, read: dict[str, str]) -> Rendition:
        if not read.get("group_id"):
            raise tags.TagInvalid("EXT-X-MEDIA has no GROUP-ID")
        uri = read.get("uri")
        return Rendition(
            index=index,
            group=read["group_id"],
            name=read.get("name", ""),
            language=read.get("language"),
            default=read.get("default") == "YES",
            autoselect=read.get("autoselect") == "YES",
            url=self._resolve(uri, "EXT-X-MEDIA") if uri else None,
        )


def _bits(written: str | None) -> int | None:
    """Read a bandwidth; None where it is absent or no number: it only orders the variants."""
    if written is None or not re.fullmatch(r"\d{1,18}(\.\d*)?", written):
        return None
    return int(float(written))


def _escape(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())
