"""One span on its way into a stream: decoded, converted, and counted on the stream's axis."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import cast

from ._conversion import Conversion
from ._decoder import BaseDecoder
from ._losses import Loss
from ._pcm import PcmSpec, Samples


class SpanDecoding:
    """Delivers the frames of a decoder, which it owns, in the format of a stream.

    `base` is where on the stream's axis the decoder's frame 0 lies, in frames of the output.
    """

    def __init__(self, decoder: BaseDecoder, output: PcmSpec, *, timeline: int = 0) -> None:
        self.decoder = decoder
        self.output = output
        self.timeline = timeline
        self.source = decoder.spec
        self.base = Fraction(0)
        self.begin = Fraction(0)  # where its first frame lies
        self._conversion = Conversion(decoder.spec, output)
        self._finished = 0  # frames that the decoder held back at its end
        self._unused = 0  # frames of the decoder to be dropped before the next ones
        self._losses: tuple[Loss, ...] = ()
        decoder.hold_back()

    @property
    def ratio(self) -> Fraction:
        """Frames of the output per frame of the decoder."""
        return self._conversion.ratio

    @property
    def frames(self) -> int | None:
        """How many frames of the output the span promises."""
        frames = self.decoder.frames
        return None if frames is None else round(frames * self.ratio)

    @property
    def tags(self) -> Mapping[str, str]:
        """The text tags of what was decoded last."""
        return self.decoder.tags

    def own_place(self, seconds: Fraction) -> Fraction:
        """Return where on an axis of its own clock the decoder's frame 0 lies.

        `seconds` is the presentation time of the span's first access unit.
        """
        return self.decoder.lead.first_frame(seconds, self.decoder.spec.sample_rate) * self.ratio

    def begin_at(self, place: Fraction) -> int:
        """Lie anywhere on the axis; return the first frame there that is delivered."""
        self.base = self.begin = place
        return self._align(place)

    @property
    def end(self) -> Fraction:
        """Where on the axis the frames read so far end, whether delivered or still converted."""
        return self.base + (self.decoder.position + self._finished) * self.ratio

    def follow(self, position: int | Fraction, unused: int = 0) -> None:
        """Lie where the first frames, those unused, end at a frame of the axis."""
        self._unused = unused
        self.begin = Fraction(position)
        self.base = position - (self.decoder.position + unused) * self.ratio

    def behind_change(self, position: int) -> "SpanDecoding":
        """Return what goes on with the decoder at a frame of the axis, where its format changes."""
        self.decoder.next_span()
        behind = SpanDecoding(self.decoder, self.output, timeline=self.timeline)
        behind.follow(position)
        return behind

    def converts_on(self, before: "SpanDecoding") -> bool:
        """Go on with the conversion of the span before, if that is the same one."""
        if before.decoder.spec != self.decoder.spec:
            return False
        self._conversion = before._conversion
        return True

    def read(self, frames: int) -> Samples:
        """Return what comes of some frames more of the decoder; empty only at the end.

        What the codec and the conversion hold there is left to what follows, or to `finish`.
        """
        while len(block := cast("Samples", self.decoder.read(frames))):
            unused = min(self._unused, len(block))
            self._unused -= unused
            if unused < len(block) and len(samples := self._conversion.convert(block[unused:])):
                return samples
        return block

    def finish_codec(self) -> Samples:
        """Return what comes of the frames that the codec still holds at the end."""
        rest = cast("Samples", self.decoder.finish())
        self._finished += len(rest)
        return self._conversion.convert(rest)

    def tell_cut(self) -> None:
        """Count it as a loss if the span ended in its midst: none follows that has the sound."""
        self.decoder.tell_cut()

    def flush(self) -> Samples:
        """Return what the conversion still holds."""
        return self._conversion.flush()

    def seek(self, frame: int) -> int:
        """Go to a frame of the axis or a little before it; return which one comes next.

        Raises SeekRefused as the decoder does, ValueError for a frame before the span.
        """
        wanted = math.floor((frame - self.base) / self.ratio)
        self.decoder.seek(max(0, wanted - self._conversion.warm_up))
        return self.go_on()

    def seek_end(self) -> int:
        """Go to the promised end, which must be known; as `seek`."""
        self.decoder.seek(self.decoder.frames or 0)
        return self.go_on()

    def go_on(self) -> int:
        """Go on where the decoder stands, whatever was read before; as `seek`."""
        self._finished = 0
        self._conversion.restart()
        return self._align(self.base + self.decoder.position * self.ratio)

    def losses(self) -> Iterator[Loss]:
        """Iterate over what is missing, on the axis, as soon as there is something new."""
        found = self.decoder.losses
        if found == self._losses:
            return
        self._losses = found
        for loss in found:
            frames = None if loss.frames is None else round(loss.frames * self.ratio)
            yield replace(loss, frame=round(self.base + loss.frame * self.ratio), frames=frames)

    def close(self) -> None:
        """Close the decoder. Idempotent."""
        self.decoder.close()

    def _align(self, place: Fraction) -> int:
        self._unused = self._conversion.frames_to_grid(place)
        return round(place + self._unused * self.ratio)
