"""How fast bytes come, of late."""

from collections import deque

WINDOW = 2.0  # seconds


class Rate:
    """Bytes per second over the last two seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def after(self, received: int, now: float) -> float:
        """The rate once `received` bytes have come in all."""
        seen = self._seen
        seen.append((now, received))
        while len(seen) > 2 and seen[1][0] <= now - WINDOW:
            seen.popleft()
        (began, before), passed = seen[0], now - seen[0][0]
        return (received - before) / passed if passed > 0 and began < now else 0.0
