"""How far one part is on its way to where readers can have it."""

import asyncio
from dataclasses import dataclass

from kithara_assets import ResourceKey, StreamingResource

from ._cipher import BLOCK, SegmentCipher
from ._events import SegmentComplete, SegmentRetried, SegmentStarted
from ._parts import Part
from ._plan import PlannedPart
from ._timestamps import STAMP_SIZE, Stamp, first_stamp
from ._track import Track
from ._urls import redacted

__all__ = ("Download",)


@dataclass(eq=False, slots=True, kw_only=True)
class Download:
    """How far one part is. Belongs to the event loop.

    ``variant`` is the one that it was first wanted for, others may share the track.
    ``wire_size`` counts the bytes as received, ``size`` those for readers; None while unknown.
    ``received`` bytes were seen by now; the last body came as far as ``reached``.
    ``begun`` says that its resource can be read. ``renewals`` counts those since an answer.
    ``wanted`` counts who wants it; at 0 it is ended.
    """

    planned: PlannedPart
    track: Track
    variant: int
    key: ResourceKey
    init: "Download | None"
    seconds: float
    task: "asyncio.Task[None] | None" = None
    resource: StreamingResource | None = None
    cipher: SegmentCipher | None = None
    wire_size: int | None = None
    size: int | None = None
    received: int = 0
    reached: int = 0
    renewals: int = 0
    begun: bool = False
    cached: bool = False
    complete: bool = False
    error: Exception | None = None
    stamp: Stamp | None = None
    stamped: bool = False
    part: Part | None = None
    wanted: int = 1
    head: bytes = b""
    requested_at: float | None = None
    ttfb: float | None = None

    @property
    def keyed(self) -> bool:
        """Whether what is received can be decrypted."""
        return self.planned.key is None or self.cipher is not None

    @property
    def running(self) -> bool:
        """Whether it is neither complete nor failed."""
        return not self.complete and self.error is None

    @property
    def expected(self) -> int | None:
        """Bytes for readers, as far as they are known or can be guessed."""
        if self.size is not None or self.wire_size is not None:
            return self.size if self.size is not None else self.wire_size
        if self.planned.index is None:
            return 0  # init sections are small
        rate = self.track.rate
        return None if rate is None else max(self.received, int(rate * self.seconds))

    def clear_head(self) -> bytes:
        """Decrypt the first bytes, as far as they are there."""
        if self.cipher is None:
            return self.head if self.keyed else b""
        blocks = self.head[: len(self.head) // BLOCK * BLOCK]
        return self.cipher.decrypt(b"", blocks) if blocks else b""

    def look_for_stamp(self) -> None:
        """Read the time that the segment tells, if that can be done by now."""
        if self.stamped or not self.keyed or not self.begun:
            return
        if self.init is not None and self.init.running:
            return
        init = self.init.clear_head() if self.init is not None else b""
        self.stamp = first_stamp(self.clear_head(), init)
        all_there = self.complete or len(self.head) >= STAMP_SIZE or self.error is not None
        self.stamped = self.stamp is not None or all_there

    def started(self) -> SegmentStarted:
        """What to tell as its bytes begin to arrive."""
        return SegmentStarted(
            index=self.planned.index,
            variant=self.variant,
            url=redacted(self.planned.url),
            cached=self.cached,
        )

    def retried(self, error: Exception) -> SegmentRetried:
        """What to tell as it is asked for again."""
        return SegmentRetried(
            index=self.planned.index,
            variant=self.variant,
            url=redacted(self.planned.url),
            error=error,
        )

    def completed(self) -> SegmentComplete:
        """What to tell once all of it is in the cache."""
        return SegmentComplete(
            index=self.planned.index,
            variant=self.variant,
            url=redacted(self.planned.url),
            size=self.wire_size or 0,
            seconds=self.seconds,
            cached=self.cached,
        )
