"""What this package raises on its own account; net and storage errors pass unchanged."""


class FileError(Exception):
    """Base of the errors of kithara-file.

    Attributes:
        url: the URL without its query.
        recoverable: whether the same call may succeed later.
    """

    recoverable: bool = False

    def __init__(self, message: str, *, url: str) -> None:
        super().__init__(f"{url}: {message}")
        self.url = url


class NotMedia(FileError):
    """Raised when a server answered with something that is no media file: nothing is stored.

    Attributes:
        container: what it is instead ("html", "hls"), or None for an empty body.
    """

    def __init__(self, *, url: str, container: str | None) -> None:
        what = {
            "html": "the server answered with an HTML page instead of audio; check the URL",
            "hls": "this is an HLS playlist; open it with kithara-hls",
            None: "the server answered with an empty file",
        }.get(container, f"this is {container}, not a media file")
        super().__init__(what, url=url)
        self.container = container
