import pytest

from kithara_file import FileError, NotMedia


@pytest.mark.parametrize(
    ("container", "advice"),
    [("html", "check the URL"), ("hls", "kithara-hls"), (None, "empty"), ("exe", "exe")],
)
def test_what_came_instead_is_named(container: str | None, advice: str) -> None:
    error = NotMedia(url="http://h/a.mp3", container=container)
    assert advice in str(error)
    assert "http://h/a.mp3" in str(error)
    assert "\n" not in str(error)
    assert isinstance(error, FileError)
    assert not error.recoverable
