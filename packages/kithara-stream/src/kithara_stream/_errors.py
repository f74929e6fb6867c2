"""What this package raises on its own account; errors of the layers below pass unchanged."""


class StreamError(Exception):
    """Base of the errors of kithara-stream.

    Attributes:
        recoverable: whether the same call may succeed later.
    """

    recoverable: bool = False


class Cancelled(StreamError):
    """Raised in a blocked read when its reader, source or session was closed."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was closed while a read was waiting for bytes")
        self.what = what


class Interrupted(StreamError):
    """Raised in waits of a source between `interrupt` and `proceed`; the bytes are untouched."""

    recoverable = True

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was interrupted; call proceed() and read again")
        self.what = what


class BodyEnded(StreamError):
    """Raised when an origin ended a body cleanly before the length that it had promised.

    Attributes:
        offset: where the body ended.
        length: the promised size of the resource in bytes.
    """

    recoverable = True

    def __init__(self, offset: int, length: int | None) -> None:
        super().__init__(f"the body ended at byte {offset} of {length}; try again later")
        self.offset = offset
        self.length = length
