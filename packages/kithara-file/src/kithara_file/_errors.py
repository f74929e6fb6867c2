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


class ContentChanged(FileError):
    """Raised when the file on the server is no longer the one whose bytes were fetched before.

    The bytes of the two are never mixed. Open the URL again to fetch the new version.

    Attributes:
        before: the validator (ETag or date) of the bytes that are here.
        after: the validator that the server sent now.
    """

    recoverable = True

    def __init__(self, *, url: str, before: str, after: str) -> None:
        super().__init__("the file changed on the server; open it again", url=url)
        self.before = before
        self.after = after
