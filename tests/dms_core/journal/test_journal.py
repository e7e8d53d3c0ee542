"""The journal's folder: what it keeps, what it refuses, what it finds after an unclean end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dms_core import errors
from dms_core.journal.journal import Journal

from ...support.messages import expected, says

Maker = Callable[..., Journal]
PATH = "/home/alice/file"


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    def make(*, limit: int = 10_000, user: str = "alice") -> Journal:
        return Journal(tmp_path / "journal", limit, service="http://dms", user=user)

    return make


def kept(journal: Journal, path: str = PATH, data: bytes = b"unsent") -> None:
    file = journal.draft(path, None, 0o640, None)
    file.write(0, data)
    journal.add(file)


def test_unsent_files_are_there_again(make: Maker, tmp_path: Path) -> None:
    journal = make()
    kept(journal)
    journal.close()
    again = make()
    [file] = again.unsent()
    assert (file.path, file.read(0, 100), file.record.mode) == (PATH, b"unsent", 0o640)
    assert again.used_bytes == 6
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o700
    again.remove(file)
    assert again.used_bytes == 0
    again.close()
    last = make()
    assert last.unsent() == []
    last.close()


def test_a_draft_and_bytes_without_a_record_are_gone_after_a_crash(
    make: Maker, tmp_path: Path
) -> None:
    journal = make()
    journal.draft(PATH, None, 0o644, None).write(0, b"not accepted")
    journal.close()
    again = make()
    assert again.unsent() == []
    assert list((tmp_path / "journal" / "files").iterdir()) == []
    again.close()


def test_a_full_journal_refuses_and_changes_nothing(make: Maker) -> None:
    journal = make(limit=1000)
    kept(journal, data=b"x" * 900)
    file = journal.get(PATH)
    assert file is not None
    for change in (
        lambda: file.write(900, b"y" * 101),
        lambda: file.write(None, b"y" * 101),
        lambda: file.truncate(1001),
    ):
        with pytest.raises(errors.NoSpace) as refused:
            change()
        assert says(expected("home", "journal full").user, str(refused.value))
    assert file.read(0, 2000) == b"x" * 900
    file.write(900, b"y" * 100)
    file.truncate(10)
    assert journal.used_bytes == 10
    journal.close()


def test_what_waits_for_one_user_is_not_taken_for_another(make: Maker) -> None:
    journal = make()
    kept(journal)
    journal.close()
    with pytest.raises(errors.ConfigError, match="1 unsent files of alice"):
        make(user="bob")
    journal = make()
    for file in journal.unsent():
        journal.remove(file)
    journal.close()
    make(user="bob").close()


def test_a_journal_is_one_mounts_at_a_time(make: Maker) -> None:
    journal = make()
    with pytest.raises(errors.ConfigError, match=r"in use.*journal\.folder"):
        make()
    journal.close()


def test_a_file_moved_over_another_replaces_it_in_one_step(make: Maker) -> None:
    journal = make()
    kept(journal, "/home/alice/a", b"a")
    kept(journal, "/home/alice/b", b"bb")
    file = journal.get("/home/alice/a")
    assert file is not None
    journal.move(file, "/home/alice/b", None)
    assert journal.get("/home/alice/a") is None
    assert [one.path for one in journal.in_folder("/home/alice")] == ["/home/alice/b"]
    assert journal.used_bytes == 1
    journal.close()
    again = make()
    [file] = again.unsent()
    assert (file.path, file.read(0, 10)) == ("/home/alice/b", b"a")
    again.close()


def test_a_database_that_cannot_be_read_is_told_and_kept(make: Maker, tmp_path: Path) -> None:
    journal = make()
    journal.close()
    damaged = tmp_path / "journal" / "journal.sqlite"
    damaged.write_bytes(b"no database" * 1000)
    with pytest.raises(errors.ConfigError, match="tell an operator"):
        make()
    assert damaged.read_bytes().startswith(b"no database")
