"""The bytes of a resource that found no room on the disk, in memory."""

from __future__ import annotations

from ._part import Part
from ._ranges import RangeSet

BLOCK = 64 * 1024


class Spill:
    """Blocks of a resource that are read from here instead of from its file.

    Only the writer thread writes. A block that is here holds all of its published bytes, those
    that were on the file before too, so that readers need nothing but one look-up.
    """

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        self._blocks: dict[int, bytearray] = {}

    def write(self, part: Part, there: RangeSet, runs: list[tuple[int, list[memoryview]]]) -> None:
        """Take bytes; `there` are those that can be read already."""
        for start, views in runs:
            at = start
            for view in views:
                done = 0
                while done < len(view):
                    block = self._block(part, there, at // BLOCK)
                    local = at % BLOCK
                    count = min(BLOCK - local, len(view) - done)
                    block[local : local + count] = view[done : done + count]
                    done += count
                    at += count

    def read(self, part: Part, view: memoryview, offset: int) -> int:
        """Copy published bytes, from here or from the file; fewer where the file has fewer."""
        done = 0
        while done < len(view):
            count, block = self._at(offset + done, len(view) - done)
            with view[done : done + count] as piece:
                if block is not None:
                    piece[:] = block
                else:
                    count = part.fs.read_all(part.file.fd, piece, offset + done)
            if count == 0:
                break
            done += count
        return done

    def try_read(self, part: Part, view: memoryview, offset: int) -> int:
        """As `read`, without waiting for the disk, and not beyond one block."""
        count, block = self._at(offset, len(view))
        with view[:count] as piece:
            if block is None:
                return part.fs.try_preadv(part.file.fd, (piece,), offset)
            piece[:] = block
        return count

    def _at(self, offset: int, size: int) -> tuple[int, memoryview | None]:
        """How many bytes lie together at `offset`, and they themselves if they are here."""
        local = offset % BLOCK
        count = min(BLOCK - local, size)
        block = self._blocks.get(offset // BLOCK)
        return count, None if block is None else memoryview(block)[local : local + count]

    def _block(self, part: Part, there: RangeSet, number: int) -> bytearray:
        block = self._blocks.get(number)
        if block is None:
            block = bytearray(BLOCK)
            start, at = number * BLOCK, number * BLOCK
            for first, last in (*there.holes(start, start + BLOCK), (start + BLOCK,) * 2):
                if at < first:
                    with memoryview(block)[at - start : first - start] as view:
                        part.fs.read_all(part.file.fd, view, at)
                at = last
            self._blocks[number] = block
        return block
