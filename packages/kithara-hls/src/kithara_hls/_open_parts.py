"""The files of parts: few of them open at once, however many parts were laid."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kithara_assets import Assets, ResourceStatus, StreamingResource
from kithara_stream import Cancelled

from ._errors import SegmentInvalid
from ._parts import Part

__all__ = ("OpenParts",)

_OPEN_PARTS: Final = 4  # complete parts kept open for reading; others are opened when needed


class OpenParts:
    """Opens and closes the resources of parts, guarded by the lock of their table."""

    def __init__(self, store: Assets, lock: threading.Condition) -> None:
        self._store = store
        self._lock = lock
        self._idle: OrderedDict[Part, None] = OrderedDict()
        self._closed = False

    @contextmanager
    def opened(self, part: Part) -> Iterator[StreamingResource]:
        """Hold the part's resource open, opening it again if it was let go."""
        with self._lock:
            if self._closed:
                raise Cancelled("the session")
            if part.resource is None:
                part.resource = self._reopen(part)
            part.users += 1
            self._idle.pop(part, None)
            resource = part.resource
        try:
            yield resource
        finally:
            with self._lock:
                self.leave(part)

    # -- with the lock held --------------------------------------------------------------------

    def close(self, parts: list[Part]) -> None:
        """Close what is open, now or as soon as its last reader has left."""
        self._closed = True
        for part in parts:
            if part.held:
                part.held = False
                self.leave(part)
            elif part.resource is not None and not part.users:
                self._idle[part] = None
        self._close_idle()

    def give_back(self, part: Part) -> None:
        """Leave the resource of an unfinished part to who fetches it."""
        if part.held:
            part.held = False
            part.users -= 1
            part.resource = None

    def leave(self, part: Part) -> None:
        """One who used a part does not any more."""
        part.users -= 1
        if part.users or part.resource is None:
            return
        if part.resource.spilled and not self._closed:
            return  # closing it would lose what is in memory only
        self._idle[part] = None
        self._close_idle()

    def _reopen(self, part: Part) -> StreamingResource:
        if part.left_by_seek:
            raise SegmentInvalid("a seek left it; read on behind it", url=part.url)
        resource = self._store.open_streaming_resource(part.key)
        if resource.status is not ResourceStatus.COMPLETE:
            resource.close()
            raise SegmentInvalid("it vanished from the cache; open the session again", url=part.url)
        return resource

    def _close_idle(self) -> None:
        while self._idle and (self._closed or len(self._idle) > _OPEN_PARTS):
            oldest, _ = self._idle.popitem(last=False)
            if oldest.resource is not None:
                if oldest.damaged:
                    oldest.resource.restart()
                oldest.resource.close()
                oldest.resource = None
