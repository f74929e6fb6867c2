"""What all decoders share: positions, poison, closing, the check of the promised length."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Self

import numpy as np

from ._errors import (
    CorruptAudio,
    DecodeError,
    DecoderClosed,
    DecoderPoisoned,
    EncodedLengthMismatch,
    FormatChanged,
    SeekRefused,
)
from ._frame_axis import Lead
from ._losses import Loss, Losses
from ._options import Options
from ._pcm import AnySamples, PcmSpec


class BaseDecoder(ABC):
    """The behaviour of `Decoder` over three things that a backend writes: fill, go to, free."""

    lead = Lead()
    _slack: int | None = 0  # frames that may be missing at the end; None: the promise is a guess

    def __init__(
        self,
        *,
        container: str,
        spec: PcmSpec,
        frames: int | None,
        seekable: bool,
        tags: Mapping[str, str],
        raw_tags: Iterable[tuple[str, str]] = (),
        options: Options,
    ) -> None:
        self._container = container
        self._options = options
        self._losses = Losses()
        self._silence = 0  # frames of a loss that are still to be delivered
        self._spec = spec
        self._frames = frames
        self._promised = frames  # what `frames` says, or less where more may follow
        self._seekable = seekable
        self._tags = MappingProxyType(dict(tags))
        self._raw_tags = tuple(raw_tags)
        self._position = 0
        self._ended = False
        self._closed = False
        self._broken = False
        self._fault: BaseException | None = None
        self._damage: DecodeError | None = None
        self._change: FormatChanged | None = None  # until next_span or a seek
        self._passed_over = False  # the last fill met a loss, which is no end

    @property
    def spec(self) -> PcmSpec:
        """Return the sample rate and channel count; `next_span` alone changes them."""
        return self._spec

    @property
    def frames(self) -> int | None:
        """Return how many frames the input promises, or None if it does not tell."""
        return self._frames

    @property
    def position(self) -> int:
        """Return the index of the frame that the next read delivers first."""
        return self._position

    @property
    def tags(self) -> Mapping[str, str]:
        """Return the text tags by lower-case name; empty if there are none."""
        return self._tags

    @property
    def raw_tags(self) -> tuple[tuple[str, str], ...]:
        """Return the text tags by the names that the input has for them, in its order."""
        return self._raw_tags

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Return what was found missing so far, by position; bounded."""
        return self._losses.all

    def read(self, frames: int) -> AnySamples:
        """Return the next frames, fewer than asked only before the end or damage."""
        array = self._options.empty(frames, self._spec.channels)
        got = self.read_into(array)
        return array if got == frames else array[:got].copy()

    def read_into(self, array: AnySamples) -> int:
        """Fill a C-contiguous array (frames, channels) of the dtype; return frames written."""
        dtype = self._options.dtype
        if array.dtype != np.dtype(dtype) or array.ndim != 2 or not array.flags.c_contiguous:
            raise ValueError(f"the array must be {dtype}, (frames, channels) and C-contiguous")
        if not array.flags.writeable:
            raise ValueError("the array is read-only")
        if array.shape[1] != self._spec.channels:
            raise ValueError(f"the array has {array.shape[1]} channels, not {self._spec.channels}")
        self._check_usable()
        done = 0
        while done < len(array) and not self._ended:
            if self._silence:
                count = min(self._silence, len(array) - done)
                array[done : done + count] = 0
                self._silence -= count
                done += count
                continue
            try:
                self._passed_over = False
                got = self._fill(array[done:])
            except FormatChanged as exc:
                self._change = exc
                if done == 0:
                    raise
                break
            except BaseException as exc:
                self._broken, self._fault = True, exc
                if done == 0 or not isinstance(exc, DecodeError):
                    raise
                self._damage = exc  # the frames before the damage first, then the error
                break
            done += got
            self._ended = got == 0 and not self._passed_over
        self._position += done
        if done == 0 and len(array):
            self._check_length()
        return done

    def seek(self, frame: int) -> None:
        """Go to a frame, 0 <= frame <= frames; exact. Raises SeekRefused."""
        frame = operator.index(frame)
        if frame < 0:
            raise ValueError(f"no frame has the index {frame}")
        if self._closed:
            raise DecoderClosed("decoder")
        if frame == self._position and not self._broken:
            return
        if not self._seekable:
            raise SeekRefused("the input is not seekable", frame=frame, frames=self._frames)
        if self._frames is not None and frame > self._frames:
            raise SeekRefused(f"there are {self._frames} frames", frame=frame, frames=self._frames)
        at_end = frame == self._frames
        self._silence = 0
        if not at_end:
            self._move(frame)
        self._fault = self._damage = self._change = None
        self._position, self._ended = frame, at_end

    def next_span(self) -> bool:
        """Go on behind FormatChanged with what follows; False where no change was met."""
        if self._closed:
            raise DecoderClosed("decoder")
        changed, self._change = self._change is not None, None
        if changed:
            self._spec = self._next_spec()
        return changed

    def blocks(self, frames: int) -> Iterator[AnySamples]:
        """Iterate over read(frames) until the end."""
        while len(block := self.read(frames)):
            yield block

    def close(self) -> None:
        """Free the decoder; the file stays open. Idempotent."""
        if not self._closed:
            self._closed = True
            self._fault = self._damage = self._change = None
            self._free()

    def hold_back(self) -> None:  # noqa: B027 - most libraries hold nothing
        """Keep what the library holds at the end for what follows, or for `finish`."""

    def tell_cut(self) -> None:  # noqa: B027 - most libraries pass over what is cut
        """Take it for a loss that the input ended in its midst: nothing follows it."""

    def finish(self) -> AnySamples:
        """Return what was held back at the end and not handed on, once."""
        return self._options.empty(0, self._spec.channels)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check_length(self) -> None:
        if self._promised is None or self._slack is None:
            return
        if self._position < self._promised - self._slack:
            raise EncodedLengthMismatch(
                container=self._container, promised=self._promised, produced=self._position
            )

    def _check_usable(self) -> None:
        if self._closed:
            raise DecoderClosed("decoder")
        damage, self._damage = self._damage, None
        if damage is not None:
            raise damage
        if self._change is not None:
            raise self._change
        if self._fault is not None:
            raise DecoderPoisoned(position=self._position) from self._fault

    def _move(self, frame: int) -> None:
        try:
            try:
                self._go_to(frame)
            except SeekRefused:
                self._go_to(self._position)
                raise
        except SeekRefused:
            raise
        except BaseException as exc:
            self._broken, self._fault = True, exc
            raise
        self._broken = False

    def _check_format(self, frame: int) -> None:
        """Raise FormatChanged if what comes next is not of `spec`."""
        spec = self._next_spec()
        if spec != self._spec:
            raise FormatChanged(
                container=self._container,
                frame=frame,
                sample_rate=spec.sample_rate,
                channels=spec.channels,
            )

    def _lost(self, frame: int, frames: int | None, reason: str) -> None:
        """Note that frames are missing at a position, before the next ones are delivered."""
        if self._options.strict:
            raise CorruptAudio(
                f"the {self._container} input is damaged at frame {frame}: {reason}",
                container=self._container,
                frame=frame,
            )
        self._losses.add(Loss(frame=frame, frames=frames, reason=reason))
        self._silence = frames or 0
        self._passed_over = True

    @abstractmethod
    def _fill(self, out: AnySamples) -> int:
        """Write at least one frame to out and return how many; 0 at the end, or after `_lost`.

        Raises FormatChanged where `_next_spec` is not `spec`.
        """

    def _next_spec(self) -> PcmSpec:
        """Return what the frames are that `_fill` would write next."""
        return self._spec

    @abstractmethod
    def _go_to(self, frame: int) -> None:
        """Stand before a frame, repairing a broken library first."""

    @abstractmethod
    def _free(self) -> None:
        """Give back what the library holds."""
