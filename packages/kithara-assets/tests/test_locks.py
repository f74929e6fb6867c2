from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from kithara_assets import _store, asset_store
from kithara_assets._locks import is_network_mount, lock_exclusive, lock_shared, locks_hold


def test_shared_locks_keep_the_exclusive_one_out(tmp_path: Path) -> None:
    one, two, other = (os.open(tmp_path, os.O_RDONLY) for _ in range(3))
    assert lock_shared(one)
    assert lock_shared(two)
    assert not lock_exclusive(other)
    os.close(one)
    os.close(two)
    assert lock_exclusive(other)
    os.close(other)
    assert locks_hold(tmp_path)


@pytest.mark.parametrize(
    ("folder", "network"),
    [
        ("/", False),
        ("/home/me", True),
        ("/home/me/deep", True),
        ("/mnt/a b/c", True),
        ("/h", False),
    ],
)
def test_folders_that_other_machines_may_mount(tmp_path: Path, folder: str, network: bool) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
        "30 22 0:30 / /home rw,relatime shared:2 master:3 - nfs4 server:/home rw\n"
        "31 22 0:31 / /mnt/a\\040b rw - fuse.sshfs host: rw\n"
        "half a line\n"
    )
    assert is_network_mount(Path(folder), mounts) is network


def test_a_system_that_does_not_tell_its_mounts(tmp_path: Path) -> None:
    assert not is_network_mount(tmp_path, tmp_path / "missing")
    assert not locks_hold(tmp_path / "missing")


def test_where_locks_do_not_hold_it_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_store, "locks_hold", lambda folder: False)
    with caplog.at_level(logging.WARNING), asset_store(tmp_path / "cache") as store:
        store.lease("a").close()
        store.lease("b").close()
    assert len(caplog.messages) == 1
    assert "locks" in caplog.messages[0]
