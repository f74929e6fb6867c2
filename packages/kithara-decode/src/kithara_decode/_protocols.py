"""What this package accepts, and the shape of what it returns."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from types import TracebackType
from typing import Protocol, Self, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from ._losses import Loss
from ._pcm import PcmSpec

S = TypeVar("S", bound=np.generic)


class BinaryFile(Protocol):
    """A readable binary file that blocks until it has bytes: io.RawIOBase, BytesIO, BufferedReader.

    `readinto` answers 0 only at the proven end. A method `readinto1` is preferred when there is
    one: it returns as soon as one byte is there. Nobody else may move the file meanwhile.
    """

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Put at most len(buffer) bytes into buffer; 0 at the end."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a byte; called only if seekable() is true."""

    def tell(self) -> int:
        """Return the byte position."""

    def seekable(self) -> bool:
        """Return whether seek works and the length is known; asked once, when a decoder opens."""


class SpanFile(BinaryFile, Protocol):
    """A file that one decoder can read from its start to its end, and what is known of it.

    It may also have `timeline`, an int: spans with equal numbers share one media clock; and
    `seconds`, a Fraction: the presentation time of its first access unit, counted from that of the
    whole source's first one by the container's own time stamps, nothing subtracted; and
    `silence`, a Fraction: seconds of silence to be heard before it, where its clock does not tell.
    """

    @property
    def container(self) -> str | None:
        """Return the container's name if the producer knows it."""


@runtime_checkable
class SpanFiles(Protocol):
    """A source that comes in spans, each to be decoded by a decoder of its own.

    It may also have

    - `duration`, a float: its length in seconds, or None;
    - `silence_at_end`, a Fraction: seconds of silence to be heard behind the last span;
    - `seek_time(seconds)`: go to the last place at or before a time from which decoding can begin,
      such that `spans` begins there from then on; answer the presentation time of that place, as
      `SpanFile.seconds` counts it, or None if the source knows no times;
    - `interrupt()`: have a blocked read or `spans`, and every later one, raise, until `proceed()`.
    """

    def spans(self) -> Iterator[SpanFile]:
        """Iterate over the spans in playing order; blocks while the next one is not known."""

    def close(self) -> None:
        """Wake every blocked read of every span with an exception."""


@runtime_checkable
class SeeksTime(Protocol):
    """The part of a `SpanFiles` that finds places by their time."""

    def seek_time(self, seconds: float) -> Fraction | None:
        """Go to a place at or before a time; answer its own time."""


@runtime_checkable
class Interruptible(Protocol):
    """The part of a source that ends a blocked read without closing."""

    def interrupt(self) -> None:
        """Have reads raise, from any thread."""

    def proceed(self) -> None:
        """Let reads wait again."""


class Decoder(Protocol[S]):
    """Reads PCM frames from one input. Not for several threads at once.

    `Decoder[np.float32]` is one whose samples are of that type, and so on.

    A file's own exception comes out of the call that was reading, as the same object; after it,
    and after any other error in the middle of a read, the decoder raises `DecoderPoisoned` until a
    seek succeeds. Leaving the `with` block closes the decoder and never the file.
    """

    @property
    def spec(self) -> PcmSpec:
        """Return the sample rate and channel count; `next_span` alone changes them."""

    @property
    def frames(self) -> int | None:
        """Return how many frames the input promises, or None if it does not tell."""

    @property
    def position(self) -> int:
        """Return the index of the frame that the next read delivers first."""

    @property
    def tags(self) -> Mapping[str, str]:
        """Return the text tags by lower-case name; empty if there are none."""

    @property
    def raw_tags(self) -> tuple[tuple[str, str], ...]:
        """Return the text tags by the names that the input has for them ("TIT2"), in its order."""

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Return where frames were found missing so far, by position.

        Bounded: behind some hundreds of places, the last one stands for all that follow.
        """

    def read(self, frames: int) -> npt.NDArray[S]:
        """Return the next frames: exactly as many as asked, fewer only before the end or damage.

        Empty at the end only. Raises EncodedLengthMismatch instead, at the end of input that
        promised more.
        """

    def read_into(self, array: npt.NDArray[S]) -> int:
        """Fill a C-contiguous array (frames, channels) of the dtype; return frames written.

        0 at the end only. Raises what `read` raises; ValueError for an array of another type.
        """

    def seek(self, frame: int) -> None:
        """Go to a frame, 0 <= frame <= frames; exact. Raises SeekRefused."""

    def next_span(self) -> bool:
        """Go on behind a FormatChanged, with another `spec`; False where there was none.

        Until then reading raises that error again; a seek is possible, too.
        """

    def blocks(self, frames: int) -> Iterator[npt.NDArray[S]]:
        """Iterate over read(frames) until the end."""

    def close(self) -> None:
        """Free the decoder; the file stays open. Idempotent."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
