"""FFmpeg's side: a container opened over an `Input`, and the audio frames that come out of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from ._errors import CorruptAudio, UnsupportedFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import ModuleType

    from av.audio.codeccontext import AudioCodecContext
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.packet import Packet

    from ._input import Input

DEMUXERS = {
    "adts": "aac",
    "ac3": "ac3",
    "eac3": "eac3",
    "mp4": "mov",
    "mpegts": "mpegts",
    "matroska": "matroska",
    "ogg": "ogg",
}
BUFFER_BYTES = 65536
NOT_TAGS = frozenset(
    ("major_brand", "minor_version", "compatible_brands", "handler_name", "vendor_id", "duration")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedPacket:
    """Stands where a packet could not be decoded; `seconds` is how long it was to last.

    `last` says that none follows, so that it may only have been cut off.
    """

    seconds: Fraction
    last: bool


class NoAudioFrame(CorruptAudio):
    """An input that is set up for audio and holds none: between spans of a stream, no error."""


class AvFile:
    """Gives FFmpeg read, seek and tell; keeps the first exception and then pretends to have ended.

    FFmpeg swallows some failures of a read, so whoever called it asks for `error` afterwards.
    """

    def __init__(self, source: Input, *, seekable: bool) -> None:
        self.error: BaseException | None = None
        self._source = source
        self._seekable = seekable
        self._position = 0

    def read(self, size: int) -> bytes:
        """Return at most size bytes, none at the end and after a failure."""
        if self.error is not None:
            return b""
        block = memoryview(bytearray(min(size, BUFFER_BYTES)))  # FFmpeg asks for a box at once
        try:
            got = self._source.read_at(self._position, block)
        except BaseException as exc:  # noqa: BLE001 - kept, and raised again behind FFmpeg
            self.error = exc
            return b""
        self._position += got
        return bytes(block[:got])

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move; -1 for what cannot be done, since FFmpeg only asks."""
        if whence == 1:
            offset += self._position
        elif whence == 2:
            if self._source.length is None:
                return -1
            offset += self._source.length
        if offset < 0 or not self._seekable:
            return -1
        self._position = offset
        return offset

    def tell(self) -> int:
        """Return the byte position."""
        return self._position

    def seekable(self) -> bool:
        """Return whether FFmpeg may seek."""
        return self._seekable


class AvInput:
    """An opened container and its best audio stream; no other stream is decoded or delivered.

    Whatever FFmpeg raises is translated here; what the file raised comes out as the same object.
    """

    def __init__(
        self, source: Input, container: str, *, seekable: bool, options: Mapping[str, str]
    ) -> None:
        av = import_av(container)
        self._name = container
        self._file = AvFile(source, seekable=seekable)
        self._failures: type[Exception] = av.FFmpegError
        try:
            self._container = av.open(
                self._file,
                "r",
                format=DEMUXERS[container],
                options={"fflags": "+ignidx", **options},
                metadata_errors="replace",
                buffer_size=BUFFER_BYTES,
            )
        except av.FFmpegError as exc:
            self._raise(exc, "cannot be opened")
        try:
            self._raise_kept()
            self.stream = self._choose_stream(av)
        except BaseException:
            self.close()
            raise
        self.damaged_at_start = False
        self.holds_back = False  # leave what the codec holds at the end to `finish`
        self._codec: AudioCodecContext | None = self.stream.codec_context
        self._setup = _setup(self.stream.codec_context)
        self._began = self._drains = self._ended = False
        self._packets: Iterator[Packet[AudioStream]] = self._container.demux(self.stream)
        self._ahead: Packet[AudioStream] | None = None  # was looked at, and comes next
        self._cut: CorruptAudio | None = None  # what was found behind the last packet
        self._start: int | None = None  # the time stamp of the first packet
        self._lender: AvInput | None = None  # whose codec this one took over
        self._frames: Iterator[AudioFrame | DamagedPacket] = iter(())  # what the last packet gave

    def first_frame(self) -> AudioFrame:
        """Return the first decoded frame; an input without any is refused."""
        self.damaged_at_start = False
        while isinstance(frame := self.next_frame(), DamagedPacket):
            self.damaged_at_start = True
        if frame is None:
            raise self._no_audio()
        return frame

    def next_frame(self) -> AudioFrame | DamagedPacket | None:
        """Return the next decoded frame, or what stands for it, None at the end."""
        frame = next(self._frames, None)
        while frame is None and not self._ended:
            self._frames = iter(self._decode())
            frame = next(self._frames, None)
        if self._file.error is not None:
            self._raise_kept()
        return frame

    def seconds_before(self, first: AudioFrame) -> Fraction:
        """Return how long after the first packet the first frame begins; 0 if that is not told."""
        if self._start is None or first.pts is None:
            return Fraction(0)
        return (first.pts - self._start) * (self.stream.time_base or Fraction(0))

    def seek(self, pts: int) -> None:
        """Go to the packet at or before a time stamp of the stream."""
        try:
            self._container.seek(pts, stream=self.stream)
        except self._failures as exc:
            self._raise(exc, "cannot be sought in")
        self._raise_kept()
        if self._codec is not None:
            self._codec.flush_buffers()
        self._packets, self._ahead = self._container.demux(self.stream), None
        self._frames, self._ended = iter(()), False

    def continue_from(self, before: AvInput) -> bool:
        """Decode with the codec that decoded another input to its end.

        Only before the first frame. False, with nothing changed, where the two are set up
        differently or the codec was needed otherwise.
        """
        if before._codec is None or before._setup != self._setup:
            return False
        self._codec, before._codec = before._codec, None
        self._lender, self.holds_back = before, True
        return True

    def abandon(self) -> None:
        """Close, and give a codec that was taken over back."""
        if self._lender is not None:
            self._lender._codec, self._codec = self._codec, None
        self.close()

    def tell_cut(self) -> None:
        """Raise what was found behind the last packet, if that is an error."""
        if self._cut is not None:
            raise self._cut

    def finish(self) -> list[AudioFrame]:
        """Return the frames that the codec still held at the end, once."""
        codec, self._codec = self._codec, None
        if codec is None or not self._drains:
            return []
        try:
            return codec.decode(None)
        except self._failures as exc:
            self._raise(exc, "cannot be decoded further")

    @property
    def source_bits(self) -> int | None:
        """Return the depth of the samples that went into a lossless encoder."""
        name, setup = self.stream.codec_context.name, self.stream.codec_context.extradata or b""
        if name == "alac" and len(setup) >= 24:
            return setup[-24 + 5]
        if name == "flac" and len(setup) >= 34:
            return (int.from_bytes(setup[12:14]) >> 4 & 0x1F) + 1
        return None

    @property
    def tags(self) -> dict[str, str]:
        """Return the text tags of the container, and of the stream where it has none."""
        found = {
            name.lower(): text
            for metadata in (self.stream.metadata, self._container.metadata)
            for name, text in metadata.items()
        }
        return {name: text for name, text in found.items() if name not in NOT_TAGS}

    @property
    def raw_tags(self) -> Iterator[tuple[str, str]]:
        """Iterate over the tags of the container and the stream, by FFmpeg's names for them."""
        yield from self._container.metadata.items()
        yield from self.stream.metadata.items()

    def close(self) -> None:
        """Free FFmpeg's side. Idempotent."""
        self._lender = None
        self._container.close()

    def _choose_stream(self, av: ModuleType) -> AudioStream:
        stream: AudioStream | None = self._container.streams.best("audio")
        announced = any(other.codec_context for other in self._container.streams.audio)
        if stream is None and announced:  # but no packet came
            raise self._no_audio()
        if stream is None or stream.codec_context is None:
            raise UnsupportedFormat(
                f"the {self._name} input has no audio stream that FFmpeg decodes",
                container=self._name,
            )
        if hasattr(av.stream, "Discard"):  # PyAV 14 does not have it yet
            for other in self._container.streams:
                if other.index != stream.index:
                    other.discard = av.stream.Discard.all
        return stream

    def _decode(self) -> Iterable[AudioFrame | DamagedPacket]:
        """Return what the next packet gives, which may be nothing."""
        packet = self._next_packet()
        if packet is None:
            self._ended = True
            return ()
        if not packet.size:  # the end of the input, which a codec takes for its own
            self._ended = True
            self._drains = self._codec is not None and self._codec.codec.delay
            return () if self.holds_back else self.finish()
        if not self._began:
            self._began, self._start = True, packet.pts
        if self._codec is None:  # it went on in another input
            self._ended = True
            return ()
        if packet.is_corrupt and self.holds_back and self._is_last():
            return (_damaged(packet, last=True),)  # some codecs would take it
        try:
            return self._codec.decode(packet)
        except self._failures:  # of many types, by what the damage looks like
            # Players go on as well: streams may begin or be joined within a packet.
            return (_damaged(packet, last=self._is_last()),)

    def _is_last(self) -> bool:
        """Look whether anything follows the packet at hand."""
        try:
            self._ahead = self._next_packet()
        except CorruptAudio as error:
            if not self.holds_back:
                raise
            self._cut = error
            return True
        return self._ahead is None or not self._ahead.size

    def _next_packet(self) -> Packet[AudioStream] | None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            return ahead
        try:
            return next(self._packets, None)
        except self._failures as exc:
            self._raise(exc, "cannot be decoded further")

    def _no_audio(self) -> NoAudioFrame:
        return NoAudioFrame(f"the {self._name} input holds no audio frame", container=self._name)

    def _raise(self, exc: Exception, what: str) -> NoReturn:
        self._raise_kept()
        reason = str(getattr(exc, "strerror", None) or exc)
        raise CorruptAudio(
            f"the {self._name} input {what}: {reason}", container=self._name
        ) from exc

    def _raise_kept(self) -> None:
        error, self._file.error = self._file.error, None
        if error is not None:
            raise error


def _damaged(packet: Packet[AudioStream], *, last: bool) -> DamagedPacket:
    seconds = (packet.duration or 0) * (packet.time_base or Fraction(0))
    return DamagedPacket(seconds=seconds, last=last)


_Setup: TypeAlias = tuple[str, int, int, bytes | None]


def _setup(codec: AudioCodecContext) -> _Setup:
    """Return what must be equal for a codec to decode another input, too."""
    return codec.name, codec.sample_rate, codec.layout.nb_channels, codec.extradata


def import_av(container: str) -> ModuleType:
    """Import PyAV, or say which extra brings it."""
    try:
        import av
        import av.error
        import av.stream
    except ImportError as exc:
        raise UnsupportedFormat(
            f"the {container} input needs PyAV; install it with: pip install 'kithara-decode[av]'",
            container=container,
            extra="kithara-decode[av]",
        ) from exc
    return av
