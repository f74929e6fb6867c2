from __future__ import annotations

import errno
from pathlib import Path

import pytest

import kithara_storage
from kithara_storage import DiskFull, StorageError, StorageFailed
from kithara_storage._errors import from_os_error


def test_every_error_has_our_base_and_is_no_os_error() -> None:
    errors = [
        found
        for name in kithara_storage.__all__
        if isinstance(found := getattr(kithara_storage, name), type)
        and issubclass(found, Exception)
    ]
    assert len(errors) == 11
    for error in errors:
        assert issubclass(error, StorageError)
        assert not issubclass(error, OSError)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_is_told_apart(code: int) -> None:
    error = from_os_error(OSError(code, "x"), path=Path("/secret/place/a"), operation="write")
    assert isinstance(error, DiskFull)
    assert "secret" not in str(error)
    assert (error.path, error.operation, error.errno) == (Path("/secret/place/a"), "write", code)


def test_an_error_without_a_number_keeps_its_name() -> None:
    error = from_os_error(BlockingIOError("odd"), path=Path("a"), operation="read")
    assert type(error) is StorageFailed
    assert error.errno is None
    assert "BlockingIOError" in str(error)
