"""The rows of a folder as the widget keeps them."""

from __future__ import annotations

from dms_core.model import CacheState, Entry, Kind, Listed, Status
from jupyter_daaas_data.widgets.rows import Rows


def listed(name: str, kind: Kind = Kind.FILE) -> Listed:
    path = f"/archive/{name}"
    entry = Entry(path=path, kind=kind, id=name, version="1", size=4, mtime_ns=10**9, mode=0o644)
    return Listed(entry=entry, status=status(path, kind=kind))


def status(path: str, percent: int = 0, kind: Kind = Kind.FILE) -> Status:
    state = CacheState.PARTIAL if percent else CacheState.REMOTE
    return Status(
        path=path, kind=kind, size=4, state=state, percent=percent, cached_bytes=0, writable=False
    )


def rows(*names: str, text: str = "") -> Rows:
    made = Rows("/archive", text)
    made.add(map(listed, names))
    return made


def test_a_filter_holds_for_pages_that_come_later() -> None:
    made = rows("Run1", "other", text="RUN")
    made.add([listed("run2")])
    assert [row.name for row in made.view] == ["Run1", "run2"]
    made.filter("")
    assert len(made.view) == 3


def test_windows_are_cut_to_what_there_is() -> None:
    made = rows("a", "b", "c")
    assert [row.name for row in made.window(1, 99)] == ["b", "c"]
    assert made.window(-5, -1) == []


def test_find_goes_around() -> None:
    made = rows("alpha", "beta", "Alps")
    assert made.find("al", 1) == 2
    assert made.find("al", 3) == 0
    assert made.find("x", 0) is None
    assert Rows("/").find("a", 0) is None


def test_only_rows_of_the_folder_take_a_status() -> None:
    made = rows("a")
    changed = made.update([status("/archive/a", 50), status("/archive/b", 50)])
    assert [row.status.percent for row in changed] == [50]
    assert made.view[0].wire()[:6] == ["a", "file", 4, 1, "partial", 50]


def test_folders_are_known_by_what_is_below_them() -> None:
    made = rows("plain")
    made.add([listed("deep", Kind.FOLDER)])
    below = ["/archive/deep/er/file", "/archive/plain/x", "/archive/deep", "/other/deep/file"]
    assert made.folders_above(below) == {"/archive/deep"}
