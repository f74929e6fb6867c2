import pytest

from kithara_file import FileOptions


def test_headers_are_not_shown() -> None:
    assert "secret" not in repr(FileOptions(headers={"Authorization": "secret"}))


def test_a_read_ahead_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="look_ahead"):
        FileOptions(look_ahead=0)
