"""The errors of kithara-decode.

What the file itself raises is never wrapped: it comes out of the call that was reading, as the
same object.
"""


class DecodeError(Exception):
    """Base of every error that this package raises.

    `recoverable` tells whether the same decoder can go on: after a seek, or with other arguments.
    """

    recoverable: bool = False


class UnsupportedFormat(DecodeError):
    """Raised when no installed backend decodes this input.

    `container` is what the bytes look like (None: nothing known); `extra` names the optional
    extra whose installation would help, or None.
    """

    def __init__(self, message: str, *, container: str | None, extra: str | None = None) -> None:
        super().__init__(message)
        self.container = container
        self.extra = extra


class FormatChanged(UnsupportedFormat):
    """Raised where the sample rate or the channel count changes within one input.

    Every frame before it has been delivered. `next_span()` goes on with what follows: `frame` is
    its first frame, `sample_rate` in Hz and `channels` are how it goes on.
    """

    recoverable = True

    def __init__(self, *, container: str, frame: int, sample_rate: int, channels: int) -> None:
        super().__init__(
            f"the {container} input changes to {sample_rate} Hz and {channels} channels at frame "
            f"{frame}; next_span() goes on with that",
            container=container,
        )
        self.frame = frame
        self.sample_rate = sample_rate
        self.channels = channels


class CorruptAudio(DecodeError):
    """Raised when the bytes contradict the format that they claim.

    `container` names that format; `frame` is the first frame that could not be decoded, or None
    when not even the headers could be read.
    """

    def __init__(self, message: str, *, container: str, frame: int | None = None) -> None:
        super().__init__(message)
        self.container = container
        self.frame = frame


class EncodedLengthMismatch(CorruptAudio):
    """Raised at the end of input that promised more frames than it held.

    Every frame there was has been delivered before. `promised` and `produced` count frames.
    """

    def __init__(self, *, container: str, promised: int, produced: int) -> None:
        super().__init__(
            f"the {container} input promised {promised} frames and held {produced}; "
            "it is cut off or damaged, fetch it again",
            container=container,
            frame=produced,
        )
        self.promised = promised
        self.produced = produced


class DecoderPoisoned(DecodeError):
    """Raised when a read was cut off by an exception and no seek has repaired the decoder since.

    `position` is the frame to seek to for going on without a gap. The exception that cut the read
    off is the `__cause__`.
    """

    recoverable = True

    def __init__(self, *, position: int) -> None:
        super().__init__(
            f"an earlier read was cut off by an exception; seek({position}) to go on from there"
        )
        self.position = position


class SeekRefused(DecodeError):
    """Raised when a seek cannot be done: unseekable input, or a frame beyond the end.

    `frame` is what was asked for, `frames` the length if known. The decoder stands where it stood.
    """

    recoverable = True

    def __init__(self, reason: str, *, frame: int, frames: int | None) -> None:
        super().__init__(f"cannot seek to frame {frame}: {reason}")
        self.frame = frame
        self.frames = frames


class DecoderClosed(DecodeError):
    """Raised when something is asked of a decoder or stream after its close."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the {what} is closed; open a new one")
        self.what = what
