"""The input below every backend: a file, its length, its first bytes, reads at an offset."""

from collections.abc import Callable

from ._errors import DecodeError, SeekRefused
from ._protocols import BinaryFile

HEAD_BYTES = 65536
TAIL_BYTES = 65536


class Input:
    """A binary file seen as bytes from offset 0 on, whether it seeks or not.

    Offsets count from the base: the file's start (its present position if unseekable), moved
    forward by `skip`. The bytes that `head` and `tail` showed can be read again from any file.
    `before_read` is called whenever the file is about to be read, which may block. For those who
    open it: `follows` is the decoder at its end, if there is one, behind whose input this one goes
    on; `segmented`, whether it is segments one behind the other, which nobody seeks by bytes.
    """

    def __init__(
        self,
        file: BinaryFile,
        before_read: Callable[[], object] = lambda: None,
        *,
        follows: object = None,
        segmented: bool = False,
    ) -> None:
        self.follows = follows
        self.segmented = segmented
        self._file = file
        self._before_read = before_read
        reads_early = getattr(file, "readinto1", None)
        self._read = file.readinto if reads_early is None else reads_early
        self.seekable = file.seekable()
        self._base = 0
        self._size: int | None = None
        self._head = b""
        self._tail = b""
        self.tags: dict[str, str] = {}  # what tags before the base said
        self.raw_tags: list[tuple[str, str]] = []  # the same in their own words
        self._at = 0  # the file's own position, counted from the base
        if self.seekable:
            self._size = file.seek(0, 2)
            file.seek(0)

    @property
    def length(self) -> int | None:
        """Return the number of bytes, or None if unknown."""
        return None if self._size is None else max(0, self._size - self._base)

    def head(self, size: int = HEAD_BYTES) -> bytes:
        """Return the first `size` bytes, fewer only if the input is shorter."""
        if len(self._head) < size:
            self._head += self.stretch(len(self._head), size - len(self._head))
        return self._head[:size]

    def tail(self) -> bytes:
        """Return the last bytes of a seekable file, `TAIL_BYTES` unless it is shorter."""
        size = min(self.length or 0, TAIL_BYTES)
        if len(self._tail) < size:
            self._tail = self.stretch((self.length or 0) - size, size)
        return self._tail

    def stretch(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset` on, fewer only before the end."""
        content = bytearray(size)
        filled = 0
        with memoryview(content) as view:
            while filled < size and (got := self.read_at(offset + filled, view[filled:])):
                filled += got
        return bytes(content[:filled])

    def skip(self, count: int) -> None:
        """Move the base forward; offsets and the head begin there from now on."""
        if not self.seekable:
            waste = memoryview(bytearray(min(count, HEAD_BYTES)))
            offset = len(self._head)
            while offset < count and (got := self._read_file(offset, waste[: count - offset])):
                offset += got
            count = min(count, offset)
        self._base += count
        self._at -= count
        self._head = self._head[count:]

    def patch(self, offset: int, data: bytes) -> None:
        """Let everybody read other bytes there, within what `head` has shown."""
        self._head = self._head[:offset] + data + self._head[offset + len(data) :]

    def read_at(self, offset: int, buffer: memoryview) -> int:
        """Read at least one byte at `offset` unless it lies at the end or beyond; how many."""
        if offset < len(self._head):
            count = min(len(buffer), len(self._head) - offset)
            buffer[:count] = self._head[offset : offset + count]
            return count
        at = offset - (self.length or 0) + len(self._tail)
        if self._tail and 0 <= at < len(self._tail):
            count = min(len(buffer), len(self._tail) - at)
            buffer[:count] = self._tail[at : at + count]
            return count
        return self._read_file(offset, buffer)

    def _read_file(self, offset: int, buffer: memoryview) -> int:
        if self._at != offset:
            if not self.seekable:
                raise SeekRefused("its bytes cannot be read again", frame=0, frames=None)
            self._file.seek(self._base + offset)
            self._at = offset
        self._before_read()
        got: int | None = self._read(buffer)
        if got is None:
            raise DecodeError("the file has no bytes yet and does not block; give a blocking one")
        self._at += got
        return got
