"""What the bytes are, by the bytes alone."""

import struct

from ._id3 import id3v2_raw_texts, id3v2_size, id3v2_texts
from ._input import HEAD_BYTES, Input
from ._sound_extent import sound_extent

SCAN_BYTES = 262144  # how far behind junk an MPEG or ADTS stream is looked for
_MPEG_IN_WAV = (b"\x50\0", b"\x55\0")  # the format tags of layers I and II, and of layer III
_MP4_BOXES = frozenset(b"ftyp styp moov moof mdat sidx free skip wide emsg prft".split())
_BITRATES = {  # kbit/s by (MPEG-1, layer), index 1..14
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def sniff(source: Input) -> str | None:
    """Name the container, after moving the input's base behind its ID3v2 tags.

    A WAV file around MPEG audio is passed by in the same way. Answers "html" and "hls" for what is
    no audio but often comes in its place, None for nothing known, "" for an empty input.
    """
    while len(head := source.head(10)) == 10 and (size := id3v2_size(head)):
        tag = source.head(min(size, HEAD_BYTES))
        source.tags.update(id3v2_texts(tag))
        source.raw_tags += id3v2_raw_texts(tag)
        source.skip(size)
    head = source.head(4096)
    if not head:
        return ""
    container = _by_magic(head)
    if container == "wav" and head[12:16] == b"fmt " and head[20:22] in _MPEG_IN_WAV:
        extent = sound_extent(source.head())
        if extent is not None:
            source.skip(extent.start)
            return "mp3"
    if container is None:
        container = find_frames(head, at_end=len(head) < 4096)
    if container is None and len(head) == 4096:
        head = source.head(SCAN_BYTES)
        container = find_frames(head, at_end=len(head) < SCAN_BYTES)
    return container


def _by_magic(head: bytes) -> str | None:
    for magic, container in (
        (b"fLaC", "flac"),
        (b"OggS", "ogg"),
        (b"caff", "caf"),
        (b"RF64", "rf64"),
        (b".snd", "au"),
        (b"dns.", "au"),
        (b"riff\x2e\x91\xcf\x11", "w64"),
        (b"\x1a\x45\xdf\xa3", "matroska"),
        (b"#EXTM3U", "hls"),
        (b"\xef\xbb\xbf#EXTM3U", "hls"),
    ):
        if head.startswith(magic):
            return container
    if head[:4] in (b"RIFF", b"RIFX") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[4:8] in _MP4_BOXES:
        return "mp4"
    if _is_transport_stream(head):
        return "mpegts"
    if head[:2] == b"\x0bw" and len(head) > 5:
        stream = head[5] >> 3  # bsid, ETSI TS 102 366: up to 10 AC-3, then E-AC-3
        return "ac3" if stream <= 10 else "eac3" if stream <= 16 else None
    text = head[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "html"
    return None


def _is_transport_stream(head: bytes) -> bool:
    for size in (188, 192, 204):
        for start in range(min(size, len(head))):
            syncs = head[start::size][:4]
            enough = len(syncs) == 4 or (start == 0 and len(syncs) >= 2)
            if enough and syncs == b"\x47" * len(syncs):
                return True
    return False


def find_frames(head: bytes, *, at_end: bool) -> str | None:
    """Look for a run of MPEG audio or ADTS frames; `at_end`: these are all the bytes there are.

    Three frames in a row prove it; two, or one at the very start, do if the input ends there.
    """
    at = head.find(b"\xff")
    while 0 <= at < len(head) - 4:
        container, frames, stop = _run_of_frames(head, at)
        if container is not None and (
            frames >= 3 or (at_end and stop >= len(head) and (frames == 2 or at == 0))
        ):
            return container
        at = head.find(b"\xff", at + 1)
    return None


def _run_of_frames(head: bytes, at: int) -> tuple[str | None, int, int]:
    kind: str | None = None
    fixed = frames = 0
    while frames < 3 and at + 7 <= len(head):
        size = id3v2_size(head[at : at + 10]) if frames and at + 10 <= len(head) else 0
        if size:
            at += size
            continue
        found, bits, size = frame_at(head, at)
        if found is None or (frames and (found, bits) != (kind, fixed)):
            # An ID3v1 or APE tag ends the stream as well as the last byte does.
            ended = frames and head[at : at + 3] in (b"TAG", b"APE")
            return (kind, frames, len(head)) if ended else (None, 0, at)
        kind, fixed, frames, at = found, bits, frames + 1, at + size
    return kind, frames, at


def frame_at(head: bytes, at: int) -> tuple[str | None, int, int]:
    """Return the kind of the frame there, the header bits that never change, its size."""
    (word,) = struct.unpack_from(">I", head, at)
    if word >> 16 & 0xFFF6 == 0xFFF0:
        size = (word & 3) << 11 | head[at + 4] << 3 | head[at + 5] >> 5
        if word >> 10 & 0xF > 12 or size < 7:
            return None, 0, 0
        return "adts", word & 0xFFFEFDC0, size
    version, layer_bits = word >> 19 & 3, word >> 17 & 3
    rate_index, bitrate_index = word >> 10 & 3, word >> 12 & 0xF
    if word >> 21 != 0x7FF or version == 1 or not layer_bits or rate_index == 3:
        return None, 0, 0
    fixed = word & 0xFFFE0C00
    if bitrate_index == 15:
        return None, 0, 0
    if bitrate_index == 0:  # free format: the next header of the same kind tells the size
        return "mp3", fixed, _free_format_size(head, at, fixed)
    layer, padding = 4 - layer_bits, word >> 9 & 1
    rate = (44100, 48000, 32000)[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    bitrate = _BITRATES[version == 3, layer][bitrate_index - 1] * 1000
    if layer == 1:
        return "mp3", fixed, (12 * bitrate // rate + padding) * 4
    samples = 72 if layer == 3 and version != 3 else 144
    return "mp3", fixed, samples * bitrate // rate + padding


def _free_format_size(head: bytes, at: int, fixed: int) -> int:
    start = fixed.to_bytes(4)[:2]
    following = head.find(start[:1], at + 24, at + 8192)
    while following >= 0 and following + 4 <= len(head):
        (word,) = struct.unpack_from(">I", head, following)
        if word & 0xFFFE0C00 == fixed and not word >> 12 & 0xF:
            return following - at
        following = head.find(start[:1], following + 1, at + 8192)
    return len(head)
