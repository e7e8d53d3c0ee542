from __future__ import annotations

import os
from pathlib import Path

import pytest

from vmm_core.agent import files
from vmm_core.agent.files import FileError

ME = (os.getuid(), os.getgid())


def write(root: Path, path: str, content: str = "text", mode: int = 0o600) -> None:
    files.write(f"{root}/{path}", content, mode=mode, uid=ME[0], gid=ME[1], root=f"{root}/")


def test_a_file_has_its_content_mode_and_folders(tmp_path: Path) -> None:
    write(tmp_path, "run/a/b", "naïve", 0o640)
    made = tmp_path / "run" / "a" / "b"
    assert made.read_text(encoding="utf-8") == "naïve"
    assert made.stat().st_mode & 0o777 == 0o640
    assert made.parent.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in made.parent.iterdir()] == ["b"]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write(tmp_path, "file", "long old text", 0o644)
    held = (tmp_path / "file").open()
    write(tmp_path, "file", "new")
    assert held.read() == "long old text"
    assert (tmp_path / "file").read_text() == "new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    held.close()


def test_a_linked_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "home").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileError, match="cannot write"):
        write(tmp_path / "root", "home/file")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_linked_file_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("old")
    (tmp_path / "file").symlink_to(tmp_path / "precious")
    write(tmp_path, "file", "new")
    assert (tmp_path / "precious").read_text() == "old"
    assert not (tmp_path / "file").is_symlink()


@pytest.mark.parametrize("path", ["../out", "a/../../out", "", "a/.."])
def test_a_path_outside_is_refused(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(FileError):
        write(root, path)
    assert list(tmp_path.iterdir()) == [root]


def test_a_path_of_another_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is not below"):
        files.write("/etc/x", "", mode=0o600, uid=ME[0], gid=ME[1], root=f"{tmp_path}/")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "full").touch()
    with pytest.raises(FileError):
        write(tmp_path, "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_removing_is_idempotent(tmp_path: Path) -> None:
    write(tmp_path, "a/file")
    for _ in range(2):
        files.remove(f"{tmp_path}/a/file", root=f"{tmp_path}/")
    assert list((tmp_path / "a").iterdir()) == []
