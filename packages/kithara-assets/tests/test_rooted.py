from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kithara_assets._rooted import RootedFs


def test_folders_come_with_the_first_file(tmp_path: Path) -> None:
    fs = RootedFs(tmp_path)
    with pytest.raises(FileNotFoundError):
        fs.open(tmp_path / "a/b/c", os.O_RDONLY)
    assert os.listdir(tmp_path) == []
    fs.close(fs.open(tmp_path / "a/b/c", os.O_RDWR | os.O_CREAT))
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o700
    assert fs.names(tmp_path / "a/b") == ["c"]
    assert fs.stat(tmp_path / "a/x/y") is None
    fs.rename(tmp_path / "a/b/c", tmp_path / "a/b/d")
    fs.unlink(tmp_path / "a/b/d")
    fs.unlink(tmp_path / "a/b/d")
    assert fs.names(tmp_path / "a/b") == []


@pytest.mark.parametrize("by_descriptor", [True, False])
def test_a_link_on_the_way_is_never_followed(tmp_path: Path, by_descriptor: bool) -> None:
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub" / "f").write_bytes(b"precious")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(outside)
    fs = RootedFs(root)
    fs.by_descriptor = by_descriptor
    for path in (root / "link/sub/f", root / "link/new", root / "link/sub/new/f"):
        for use in (
            lambda path=path: fs.open(path, os.O_RDWR | os.O_CREAT),
            lambda path=path: fs.stat(path),
            lambda path=path: fs.unlink(path),
            lambda path=path: fs.rename(path, path.with_name("x")),
            lambda path=path: fs.fsync_dir(path),
            lambda path=path: fs.names(path),
        ):
            with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
                use()
    assert (outside / "sub" / "f").read_bytes() == b"precious"
    assert sorted(os.listdir(outside)) == ["sub"]


def test_a_path_outside_is_a_mistake_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="below the root"):
        RootedFs(tmp_path / "root").stat(tmp_path / "other")


def test_a_file_where_a_folder_must_be_says_so(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        RootedFs(tmp_path).stat(tmp_path / "a" / "b" / "c")


def test_new_folders_are_synced_up_to_the_root_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        synced.append(os.fstat(fd).st_ino)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    (tmp_path / "a/b").mkdir(parents=True)
    numbers = [(tmp_path / name).stat().st_ino for name in ("a/b", "a", ".")]
    fs = RootedFs(tmp_path)
    fs.fsync_dir(tmp_path / "a/b")
    assert synced == numbers
    fs.fsync_dir(tmp_path / "a/b")
    assert synced == [*numbers, numbers[0]]
