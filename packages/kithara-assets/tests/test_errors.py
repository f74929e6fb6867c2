from __future__ import annotations

import kithara_assets
from kithara_assets import AssetsError, OfflineMiss, StorageError


def test_every_error_has_a_base_and_is_no_os_error() -> None:
    for name in kithara_assets.__all__:
        found = getattr(kithara_assets, name)
        if isinstance(found, type) and issubclass(found, Exception):
            assert issubclass(found, AssetsError | StorageError)
            assert not issubclass(found, OSError)


def test_an_offline_miss_names_what_is_missing_and_no_secret() -> None:
    miss = OfflineMiss(url="https://u:secret@example.org/a?token=secret", missing="bytes 0-99")
    assert miss.url == "https://example.org/a"
    assert miss.missing == "bytes 0-99"
    assert miss.recoverable
    assert (
        str(miss) == "https://example.org/a: bytes 0-99 is not in the cache; go online to fetch it"
    )
    assert "secret" not in repr(miss)
