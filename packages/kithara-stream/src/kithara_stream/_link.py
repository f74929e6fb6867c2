"""How fast the link is, measured from what it does anyway."""

_LEAST, _MOST, _UNKNOWN = 16 * 1024, 1024 * 1024, 64 * 1024
_WINDOW_SECONDS = 2.0


class Link:
    """Knows what reading on costs against asking anew.

    A new request costs the time to its first byte; reading on delivers in that time what the
    link's rate gives.
    """

    def __init__(self) -> None:
        self._first_byte: float | None = None
        self._bytes = 0.0
        self._seconds = 0.0

    def answered(self, seconds: float) -> None:
        """A request was answered after so many seconds."""
        self._first_byte = seconds

    def received(self, size: int, seconds: float) -> None:
        """So many bytes came after waiting so long for them."""
        self._bytes += size
        self._seconds += seconds
        if self._seconds > _WINDOW_SECONDS:
            self._bytes /= 2
            self._seconds /= 2

    @property
    def request_in_bytes(self) -> int:
        """How many bytes arrive in the time that a new request takes; 16 KiB to 1 MiB."""
        if self._first_byte is None or not self._bytes:
            return _UNKNOWN
        rate = self._bytes / max(self._seconds, 1e-6)
        return int(min(max(self._first_byte * rate, _LEAST), _MOST))
