"""What this package raises on its own account; net and storage errors pass unchanged."""


class FileError(Exception):
    """Base of the errors of kithara-file.

    Attributes:
        url: the URL without its query, or the path.
        recoverable: whether the same call may succeed later.
    """

    recoverable: bool = False

    def __init__(self, message: str, *, url: str) -> None:
        super().__init__(f"{url}: {message}")
        self.url = url


class Unreadable(FileError):
    """Raised when a local file is not there, or cannot be read.

    Attributes:
        reason: what the system says.
    """

    def __init__(self, *, url: str, reason: str) -> None:
        super().__init__(f"the file cannot be read ({reason}); check the path", url=url)
        self.reason = reason


class NotMedia(FileError):
    """Raised when something came that is no media file: nothing of it is stored.

    Attributes:
        container: what it is instead ("html", "hls"), or None for an empty body.
    """

    def __init__(self, *, url: str, container: str | None) -> None:
        what = {
            "html": "this is an HTML page instead of audio; check the URL",
            "hls": "this is an HLS playlist; open it with kithara-hls",
            None: "this is an empty file",
        }.get(container, f"this is {container}, not a media file")
        super().__init__(what, url=url)
        self.container = container
