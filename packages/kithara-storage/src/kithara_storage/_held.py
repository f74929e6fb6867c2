"""A descriptor that many threads use and any of them may close, without a lock."""

from __future__ import annotations

from collections.abc import Callable


class HeldFile:
    """Closed for good by whoever uses it last, so that nobody meets a number given out again.

    `at_end` runs once, when it is closed and nobody is inside. Nothing here ever waits: appending
    to and popping from a list are atomic.
    """

    __slots__ = ("_at_end", "_closed", "_users", "fd")

    def __init__(self, fd: int, at_end: Callable[[], None]) -> None:
        self.fd = fd
        self._at_end = [at_end]
        self._users: list[None] = []
        self._closed = False

    def enter(self) -> bool:
        """Begin to use the descriptor; False if it is closed. After True comes one `leave`."""
        self._users.append(None)
        if self._closed:
            self.leave()
            return False
        return True

    def leave(self) -> None:
        """End a use."""
        self._users.pop()
        if self._closed and not self._users:
            self._finish()

    def close(self) -> None:
        """Let nobody in any more; idempotent."""
        self._closed = True
        if not self._users:
            self._finish()

    def _finish(self) -> None:
        try:
            at_end = self._at_end.pop()
        except IndexError:  # another thread was quicker
            return
        at_end()
