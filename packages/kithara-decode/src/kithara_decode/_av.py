"""AAC, ALAC, MP4, MPEG-TS and Matroska through PyAV, the extra `kithara-decode[av]`."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ._av_input import DEMUXERS, AvInput, DamagedPacket
from ._backend import Backend
from ._decoder import BaseDecoder
from ._errors import CorruptAudio, SeekRefused, UnsupportedFormat
from ._frame_axis import SNAP_FRAMES, Lead
from ._itunes import itunes_sound
from ._mp4 import edit_start, mp4_layout
from ._options import Options
from ._packed_audio import without_marks
from ._pcm import AnySamples, PcmSpec
from ._scale import scaled
from ._shim import ffi, lib
from ._tags import merged_tags

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

    from ._input import Input

PREROLL_SECONDS = Fraction(7, 10)  # decoded and dropped before a seek's target: codecs converge
# FFmpeg's Opus decoder is within 60 dB after a quarter of a second of music and 0.6 s of speech at
# 8 kbit/s, measured; 80 ms give 15 dB.
OPUS_CONVERGES = 0.7
AAC_PRIMING = 1024  # frames by which AAC lags what went in, if no edit says so: its overlap
_DTYPES = {"u8": "uint8", "s16": "int16", "s32": "int32", "flt": "float32", "dbl": "float64"}
_PLANAR = {"int16": "s16p", "int32": "s32p", "float32": "fltp", "float64": "dblp"}
SOON = Lead().converges
HEADLESS = (
    "adts",
    "mpegts",
)  # containers of AAC whose encoder may put no sound into its first unit
DAMAGED = "a packet cannot be decoded"
EDIT_SLACK = 2048  # frames by which an MP4 edit may outlast its packets, by rounding


class AvDecoder(BaseDecoder):
    """Decodes the best audio stream of a container.

    Positions are exact: by time stamps where those count samples (MP4 with a sample table), by
    decoding from the start everywhere else.
    """

    def __init__(self, source: Input, container: str, options: Options) -> None:
        self._source = without_marks(source) if container in ("ac3", "eac3") else source
        self._options = options
        self._container = container
        self._plain = _PLANAR[options.dtype]
        self._is_cut = False
        layout = None
        head = b""
        if container == "mp4":
            head = source.head(4096)
            if (layout := mp4_layout(head)) is None:
                head = source.head()
                layout = mp4_layout(head)
        if layout == "table last" and not source.seekable:
            raise UnsupportedFormat(
                "the mp4 input has its index behind the sound; it decodes only from seekable input",
                container=container,
            )
        self._fragmented = layout == "fragments"
        self._edit_start = edit_start(head)
        # Allowed to seek, FFmpeg reads the tail of streams and walks through all fragments of MP4.
        self._ffmpeg_seeks = source.seekable and container == "mp4" and not self._fragmented
        before = source.follows
        self._open(before._av if isinstance(before, AvDecoder) else None)
        stream = self._av.stream
        spec = self._next_spec()
        ticks = spec.sample_rate * (stream.time_base or Fraction(0))
        has_table = self._has_table = (
            container == "mp4" and stream.frames > 0 and ticks.denominator == 1
        )
        frames = None
        if has_table and stream.duration:
            frames = int(stream.duration * ticks)
            told = itunes_sound(self._av.tags.get("itunsmpb", ""))
            if told is not None and self._origin * ticks == told.start:  # no edit says other
                frames = min(told.frames, frames - told.start)
            self._slack = EDIT_SLACK
        self._ticks = int(ticks) if has_table and self._ffmpeg_seeks else None
        super().__init__(
            container=container,
            spec=spec,
            frames=frames,
            seekable=source.seekable,
            tags=merged_tags(source.tags, self._av.tags),
            raw_tags=(*source.raw_tags, *self._av.raw_tags),
            options=options,
        )
        if self._av.damaged_at_start:
            try:
                self._lost(0, None, DAMAGED)
            except CorruptAudio:
                self._av.abandon()
                raise

    def _open(self, before: AvInput | None = None) -> None:
        """Start at the first byte and decode the first frame, if possible with a codec at its end.

        So no seam is heard behind the input that it comes from.
        """
        self._av = AvInput(
            self._source,
            self._container,
            seekable=self._ffmpeg_seeks,
            # FFmpeg would cut an edit's priming off wherever a stretch of fragments begins.
            options={"ignore_editlist": "1"} if self._fragmented else {},
        )
        try:
            continued = before is not None and self._av.continue_from(before)
            first = self._av.first_frame()
            self._measure_lead(first, continued=continued)
            self._take(first)
        except BaseException:
            self._av.abandon()
            raise
        self._origin = first.pts or 0
        self._next = -self._trimmed  # the index of the first frame in _pending

    def _measure_lead(self, first: AudioFrame, *, continued: bool) -> None:
        """Find out what precedes the sound: told by an edit, or known to the codec.

        FFmpeg drops a codec's own delay wherever decoding begins; what an edit of fragments says
        is dropped here, by the time of the first frame.
        """
        stream, rate = self._av.stream, first.sample_rate
        delay = stream.codec_context.delay or 0
        dropped = 0 if continued else delay
        unit = first.samples + dropped
        skipped = self._av.seconds_before(first) * rate
        if skipped > dropped + max(SNAP_FRAMES, (stream.time_base or 0) * rate):
            dropped = round(skipped / unit) * unit  # the first access units gave no frame
        edit = 0
        if self._fragmented:
            edit = round(self._edit_start * rate)
        self._trimmed = 0
        if edit and first.pts is not None:
            self._trimmed = max(0, edit - round(first.pts * (stream.time_base or 0) * rate))
        told = max(edit, delay)
        self.lead = Lead(
            told=told,
            untold=AAC_PRIMING if stream.codec_context.name == "aac" and not told else 0,
            dropped=dropped + self._trimmed,
            unit=unit,
            converges=OPUS_CONVERGES if stream.codec_context.name == "opus" else SOON,
            sure=stream.codec_context.name != "aac" or self._container not in HEADLESS,
        )

    def hold_back(self) -> None:
        """Let the codec keep what it has not delivered at the end, for what follows."""
        self._av.holds_back = True

    def tell_cut(self) -> None:
        """Take a last packet that cannot be decoded for a loss; what follows may have its sound."""
        if self._is_cut:
            self._lost(max(0, self._next), None, DAMAGED)
            self._av.tell_cut()

    def finish(self) -> AnySamples:
        """Return what the codec was asked to hold back."""
        rest = [_samples(frame, self._options) for frame in self._av.finish()]
        return np.concatenate([super().finish(), *rest])

    def _fill(self, out: AnySamples) -> int:
        while self._next < 0:
            if not self._load():
                return 0
            self._drop(min(-self._next, len(self._pending)))
        limit = len(out)
        if self._frames is not None:  # an AAC edit ends within a packet
            limit = min(limit, self._frames - self._next)
        if limit <= 0:
            return 0
        if not len(self._pending):
            frame = self._next_frame()
            if frame is None:
                return 0
            if self._goes_into(frame, limit, out.shape[1]):
                _interleave(frame, out)
                self._next += frame.samples
                return frame.samples
            self._take(frame)
        if self._pending.shape[1] != out.shape[1] or self._pending_rate != self._spec.sample_rate:
            self._check_format(self._next)
        count = min(limit, len(self._pending))
        out[:count] = self._pending[:count]
        self._drop(count)
        return count

    def _goes_into(self, frame: AudioFrame, limit: int, channels: int) -> bool:
        """Tell whether nothing is to be done with a frame but to put its planes side by side."""
        return (
            frame.samples <= limit
            and frame.format.name == self._plain
            and frame.layout.nb_channels == channels
            and frame.sample_rate == self._spec.sample_rate
        )

    def _take(self, frame: AudioFrame) -> None:
        self._pending = _samples(frame, self._options)
        self._pending_rate, self._latest = frame.sample_rate, frame

    def _next_spec(self) -> PcmSpec:
        return PcmSpec(
            sample_rate=self._pending_rate,
            channels=self._pending.shape[1],
            layout=self._latest.layout.name,
            bits=self._av.source_bits,
        )

    def _load(self) -> bool:
        """Make sure that samples are pending; False at the end and at a loss."""
        if not len(self._pending):
            frame = self._next_frame()
            if frame is None:
                return False
            self._take(frame)
        return True

    def _next_frame(self) -> AudioFrame | None:
        """Return the next frame that is not empty; None at the end and at a loss."""
        while (frame := self._av.next_frame()) is not None:
            if isinstance(frame, DamagedPacket):
                if frame.last and self._av.holds_back and not self._has_table:
                    self._is_cut = True
                else:
                    self._pass_over(frame)
                return None
            if frame.samples:
                return frame
        return None

    def _pass_over(self, packet: DamagedPacket) -> None:
        """Let silence stand for a packet where a sample table tells its length."""
        count = None
        if self._has_table:
            count = round(packet.seconds * self._spec.sample_rate)
            if self._frames is not None:
                count = min(count, max(0, self._frames - self._next))
        self._lost(max(0, self._next), count, DAMAGED)
        self._next += count or 0

    def _drop(self, count: int) -> None:
        self._pending = self._pending[count:]
        self._next += count

    def _go_to(self, frame: int) -> None:
        if self._broken:
            self._av.close()
            self._open()
        near = 0 <= frame - self._next < self._spec.sample_rate
        if not (near or self._jump(frame) or frame >= self._next):
            self._av.close()
            self._open()
        while self._next < frame:
            if self._load():
                self._drop(min(frame - self._next, len(self._pending)))
            elif self._passed_over:
                self._passed_over = False
                self._silence = max(0, self._next - frame)
            else:
                raise SeekRefused("it lies beyond the end", frame=frame, frames=None)

    def _jump(self, frame: int) -> bool:
        """Let FFmpeg land a little before a frame, by time stamps; whether that worked."""
        preroll = int(PREROLL_SECONDS * self._spec.sample_rate)
        if self._ticks is None or frame <= preroll:
            return False
        self._av.seek(self._origin + (frame - preroll) // self._ticks)
        landed = self._av.next_frame()
        if landed is None or isinstance(landed, DamagedPacket) or landed.pts is None:
            self._next = frame + 1  # anywhere behind, so that the start is taken
            return False
        self._next = (landed.pts - self._origin) * self._ticks
        self._take(landed)
        return self._next <= frame

    def _free(self) -> None:
        self._pending = self._pending[:0]
        self._av.close()


def _samples(frame: AudioFrame, options: Options) -> AnySamples:
    """Return a frame's samples as (frames, channels) of the wanted type."""
    name, samples, channels = frame.format.name, frame.samples, frame.layout.nb_channels
    dtype = _DTYPES[name.removesuffix("p")]
    array: AnySamples = np.empty((samples, channels), dtype)
    if name.endswith("p"):
        _interleave(frame, array)
    else:
        # Planes are buffers, which their type does not say.
        plane = np.frombuffer(frame.planes[0], dtype, samples * channels)  # type: ignore[call-overload]
        array[:] = plane.reshape(samples, channels)
    return array if dtype == options.dtype else scaled(array, options.dtype)


def _interleave(frame: AudioFrame, out: AnySamples) -> None:
    """Write the planes of a frame to the beginning of an array of its type.

    PyAV's own arrays take longer than the decoding of AAC.
    """
    addresses = [plane.buffer_ptr for plane in frame.planes]
    channels, width = out.shape[1], out.itemsize
    lib.kd_interleave(ffi.from_buffer(out), addresses, ffi.NULL, channels, frame.samples, width)


BACKEND = Backend(name="PyAV", containers=frozenset(DEMUXERS), open=AvDecoder)
