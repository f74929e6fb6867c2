"""What happened in a session, as facts: what a report is drawn from."""

from dataclasses import dataclass
from typing import TypeAlias

from kithara_decode import PcmSpec
from kithara_net import TraceEvent

from ._events import TrackEvent
from ._series import Bins, Peak, Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Somebody asked the track to go to `seconds`; it stood at `position` seconds."""

    seconds: float
    position: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPcm:
    """The first sound came out of the decoder: at the start, or behind a seek."""

    position: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """An event, and when it came: `at` seconds after the opening began."""

    at: float
    event: "TrackEvent | TraceEvent | Sought | FirstPcm"


RecordedEvent: TypeAlias = TrackEvent | TraceEvent | Sought | FirstPcm


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """Everything that a report tells.

    Attributes:
        url: where it came from, without user-info, query and fragment.
        kind: "file" or "hls".
        container: of the bytes, if recognised.
        spec: of the sound; None before any was decoded.
        duration: of the whole, in seconds, if known.
        began: seconds since the epoch when the opening began.
        seconds: how long the record is.
        events: what happened, in order; the frequent ones are in the series below instead.
        received: bytes from the network, by time.
        buffered: seconds of media fetched ahead, by time.
        waveform: the loudest samples of what was heard, by place in seconds.
        requests, bytes_received, bytes_cached: as `TransferStats` counts them.
        underruns: how often the sound had to wait for bytes in the middle.
        losses: where damaged input lacks sound: place in seconds.
    """

    url: str
    kind: str
    container: str | None
    spec: PcmSpec | None
    duration: float | None
    began: float
    seconds: float
    events: tuple[Noted, ...]
    received: Bins
    buffered: Samples
    waveform: tuple[Peak, ...]
    requests: int
    bytes_received: int
    bytes_cached: int
    underruns: int
    losses: tuple[float, ...]
