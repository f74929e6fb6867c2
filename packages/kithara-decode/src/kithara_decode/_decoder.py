"""What all decoders share: positions, poison, closing, the check of the promised length."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Self

import numpy as np

from ._errors import (
    DecodeError,
    DecoderClosed,
    DecoderPoisoned,
    EncodedLengthMismatch,
    SeekRefused,
)
from ._pcm import PcmSpec, Samples


class BaseDecoder(ABC):
    """The behaviour of `Decoder` over three things that a backend writes: fill, go to, free."""

    _slack: int | None = 0  # frames that may be missing at the end; None: the promise is a guess

    def __init__(
        self,
        *,
        container: str,
        spec: PcmSpec,
        frames: int | None,
        seekable: bool,
        tags: Mapping[str, str],
    ) -> None:
        self._container = container
        self._spec = spec
        self._frames = frames
        self._seekable = seekable
        self._tags = MappingProxyType(dict(tags))
        self._position = 0
        self._ended = False
        self._closed = False
        self._broken = False
        self._fault: BaseException | None = None
        self._damage: DecodeError | None = None

    @property
    def spec(self) -> PcmSpec:
        """Return the sample rate and channel count, the same for every frame."""
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

    def read(self, frames: int) -> Samples:
        """Return the next frames, fewer than asked only before the end or damage."""
        array = np.empty((frames, self._spec.channels), np.float32)
        got = self.read_into(array)
        return array if got == frames else array[:got].copy()

    def read_into(self, array: Samples) -> int:
        """Fill a C-contiguous float32 array (frames, channels); return frames written."""
        if array.dtype != np.float32 or array.ndim != 2 or not array.flags.c_contiguous:
            raise ValueError("the array must be float32, (frames, channels) and C-contiguous")
        if array.shape[1] != self._spec.channels:
            raise ValueError(f"the array has {array.shape[1]} channels, not {self._spec.channels}")
        self._check_usable()
        done = 0
        while done < len(array) and not self._ended:
            try:
                got = self._fill(array[done:])
            except BaseException as exc:
                self._broken, self._fault = True, exc
                if done == 0 or not isinstance(exc, DecodeError):
                    raise
                self._damage = exc  # the frames before the damage first, then the error
                break
            done += got
            self._ended = got == 0
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
        if not at_end:
            self._move(frame)
        self._fault = self._damage = None
        self._position, self._ended = frame, at_end

    def blocks(self, frames: int) -> Iterator[Samples]:
        """Iterate over read(frames) until the end."""
        while len(block := self.read(frames)):
            yield block

    def close(self) -> None:
        """Free the decoder; the file stays open. Idempotent."""
        if not self._closed:
            self._closed = True
            self._fault = self._damage = None
            self._free()

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
        if self._frames is None or self._slack is None:
            return
        if self._position < self._frames - self._slack:
            raise EncodedLengthMismatch(
                container=self._container, promised=self._frames, produced=self._position
            )

    def _check_usable(self) -> None:
        if self._closed:
            raise DecoderClosed("decoder")
        damage, self._damage = self._damage, None
        if damage is not None:
            raise damage
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

    @abstractmethod
    def _fill(self, out: Samples) -> int:
        """Write at least one frame to out and return how many; 0 at the end."""

    @abstractmethod
    def _go_to(self, frame: int) -> None:
        """Stand before a frame, repairing a broken library first."""

    @abstractmethod
    def _free(self) -> None:
        """Give back what the library holds."""
