"""Segments of packed audio one behind the other: what begins each of them is no sound."""

import re
from typing import Final

from ._id3 import id3v2_size
from ._input import Input
from ._sniff import frame_at

_MARK: Final = re.compile(rb"(?s)ID3[\x02-\x04]|\xff[\xe2-\xff]..(?:..)?\0{9,32}(?:Xing|Info)")
_LONGEST_MARK: Final = 42
_LONGEST_TAG: Final = 262144  # what claims to be longer is none
_SYNCS: Final = (b"\xff", b"\x0bw", b"ID3")  # of MPEG audio, of AC-3, of one more tag
_START: Final = 4096  # a Xing frame there tells of the whole


def without_marks(source: Input) -> Input:
    """Answer an input without the ID3 tags and the Xing or Info frames that stand in its midst.

    Decoders lose sound at such a tag (libmpg123 the bit reservoir, FFmpeg a frame of AC-3) and
    decode such a frame as silence. Seekable input stays as it is, unless it is segments.
    """
    if source.seekable and not source.segmented:
        return source
    bare = Input(_Segments(source), follows=source.follows)
    bare.tags, bare.raw_tags = source.tags, source.raw_tags
    return bare


class _Segments:
    """A binary file over an input, which leaves its marks out."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self._at = 0  # in the source
        self._given = 0
        self._held = bytearray()
        self._ended = False

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        return self._given

    def seek(self, offset: int, whence: int = 0, /) -> int:
        raise AssertionError("never called where seekable() is false")

    def readinto(self, buffer: memoryview, /) -> int:
        """Read what is there, at least one byte unless it is at the end."""
        while (sound := self._sound()) == 0 and not self._ended:
            chunk = bytearray(len(buffer))
            got = self._source.read_at(self._at, memoryview(chunk))
            self._at += got
            self._held += chunk[:got]
            self._ended = got == 0
        count = min(len(buffer), sound)
        buffer[:count] = self._held[:count]
        del self._held[:count]
        self._given += count
        return count

    def _sound(self) -> int:
        """Drop the marks that are here as a whole; answer how many bytes come before any other."""
        held, at = self._held, 0
        while found := _MARK.search(held, at):
            at = found.start()
            if len(held) < at + 10 and not self._ended:
                return at
            stop = at + self._size_of_mark(at)
            if len(held) < stop + 3 and not self._ended:
                return at
            if stop > at and (stop >= len(held) or held[stop : stop + 3].startswith(_SYNCS)):
                del held[at:stop]
            else:
                at += 1
        return len(held) if self._ended else max(0, len(held) - _LONGEST_MARK)

    def _size_of_mark(self, at: int) -> int:
        """How many bytes what looks like a mark has, 0 if it is sound."""
        head = bytes(self._held[at : at + _LONGEST_MARK])
        if head.startswith(b"ID3"):
            size = id3v2_size(head[:10])
            return size if size <= _LONGEST_TAG else 0
        if self._given + at < _START:
            return 0
        container, _, size = frame_at(head, 0)
        return size if container == "mp3" else 0
