"""Init sections, and the segments that tell where a media clock begins."""

from kithara_assets import ResourceKey

from ._download import Download
from ._downloads import Downloads
from ._track import Track

__all__ = ("InitSections",)


class InitSections:
    """The init sections of a session, each fetched once. Belongs to the event loop."""

    def __init__(self, downloads: Downloads) -> None:
        self._downloads = downloads
        self._kept: dict[ResourceKey, Download] = {}
        self._probed: set[tuple[str, int]] = set()

    def get(self, track: Track, index: int, variant: int) -> Download | None:
        """The init section of a segment, None if it has none; release it after use.

        It is kept beyond that: the next segment wants it too.
        """
        planned = track.init(index)
        if planned is None:
            return None
        key = track.key_of(planned)
        kept = self._kept.get(key)
        if kept is None or kept.error is not None:
            kept = self._kept[key] = self._downloads.get(planned, track, variant)
        return self._downloads.get(kept.planned, track, variant)

    def probe(self, track: Track, index: int, variant: int) -> tuple[int, Download] | None:
        """Ask for the first segment of a media clock, if where that begins is not known.

        Once for each; hand it to `learn` then. None where there is nothing to learn.
        """
        first = track.times.first_of_run(index)
        if first == index or (track.name, first) in self._probed:
            return None
        if track.times.knows_origin(index):
            return None
        if track.playlist.segments[first].gap:
            track.times.lose(first)
            return None
        self._probed.add((track.name, first))
        init = self.get(track, first, variant)
        probe = self._downloads.get(track.segment(first), track, variant, init)
        if init is not None:
            if init.task is not None:  # it may be the last to come, and says what a time means
                init.task.add_done_callback(lambda _: probe.look_for_stamp())
            self._downloads.release(init)  # it is kept here
        return first, probe

    def learn(self, track: Track, index: int, probe: Download) -> None:
        """Take what a probe told, and let go of it."""
        if probe.stamp is not None:
            track.times.note(index, probe.stamp)
        elif probe.error is not None:
            track.times.lose(index)
        self._downloads.release(probe)
