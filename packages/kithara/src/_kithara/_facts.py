"""What a command tells of a track, and the stretch of it that was asked for."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ._units import clock, megabytes
from ._urls import shown

if TYPE_CHECKING:
    from kithara import PcmChunk, Track, TransferStats


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How far something is: `done` of `total`, in seconds of sound or in bytes."""

    done: float
    total: float | None
    stats: "TransferStats"
    buffered: float | None = None
    variant: int | None = None

    def facts(self) -> dict[str, object]:
        """The same for scripts."""
        return {
            "done": self.done,
            "total": self.total,
            "requests": self.stats.requests,
            "received": self.stats.bytes_received,
            "cached": self.stats.bytes_cached,
            "buffered": self.buffered,
            "variant": self.variant,
        }


def facts_of(track: "Track") -> dict[str, object]:
    """What a track is."""
    return {
        "url": shown(track.url),
        "kind": track.kind,
        "container": track.container,
        "sample_rate": track.spec.sample_rate,
        "channels": track.spec.channels,
        "layout": track.spec.layout,
        "bits": track.spec.bits,
        "duration": track.duration,
        "bytes": track.length,
        "tags": dict(track.tags),
        "variants": list(track.variants),
        "variant": track.variant,
    }


def lines_of(name: str, value: object) -> Iterator[str]:
    """The lines of one fact; none where there is nothing to tell."""
    match value:
        case None:
            return
        case dict():
            yield from (f"{key}: {text}" for key, text in value.items())
        case list():
            yield from map(str, value)
        case float():
            yield clock(value)
        case int() if name in ("bytes", "received", "cached"):
            yield megabytes(value)
        case _:
            yield str(value)


def moment_of(track: "Track") -> Moment:
    """How far a track is."""
    return Moment(
        done=track.position,
        total=track.duration,
        stats=track.stats,
        buffered=track.decoding.seconds_buffered,
        variant=track.variant,
    )


def losses_of(track: "Track") -> list[dict[str, object]]:
    """Where sound is missing, in seconds, for scripts."""
    rate = track.spec.sample_rate
    return [
        {
            "at": loss.frame / rate,
            "seconds": None if loss.frames is None else loss.frames / rate,
            "reason": loss.reason,
        }
        for loss in track.losses
    ]


def stretch(track: "Track", start: float | None, seconds: float | None) -> "Iterator[PcmChunk]":
    """The chunks of a track from `start` on, cut where `seconds` of sound are over."""
    if start:
        track.seek(start)
    left = float("inf") if seconds is None else round(seconds * track.spec.sample_rate)
    while left > 0 and (chunk := next(track, None)) is not None:
        if len(chunk.data) > left:
            chunk = replace(chunk, data=chunk.data[: int(left)])
        left -= len(chunk.data)
        yield chunk


def origin(track: "Track") -> str:
    """Where the bytes came from, as a sentence's end."""
    stats = track.stats
    return (
        f"{megabytes(stats.bytes_received)} from the network, "
        f"{megabytes(stats.bytes_cached)} from the cache"
    )
