"""DataBrowser and TransferMonitor on a real mount, without a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dms_core.errors import NotFound, Unsupported
from jupyter_daaas_data import DataBrowser, TransferMonitor

from ...support.messages import expected, says
from ...support.waiting import until
from ..world import CYCLE, USER, World

pytestmark = pytest.mark.mount
Open = Callable[..., DataBrowser]


@pytest.fixture
def open_at(world: World) -> Iterator[Open]:
    """``open_at(path)``: a browser that shows ``path``."""
    opened = []

    def at(path: str, **options: Any) -> DataBrowser:
        browser = DataBrowser(path, socket=world.socket, **options)
        opened.append(browser)
        until(lambda: browser._view.get("complete"), "the folder is listed")
        return browser

    yield at
    for browser in opened:
        browser.close()


def names(browser: DataBrowser) -> list[str]:
    return [row.name for row in browser._rows.view]


def test_it_lists_a_folder_of_several_pages(open_at: Open) -> None:
    browser = open_at("/archive/many")
    assert browser._view["count"] == 1250
    assert names(browser)[-1] == "RUN01249.raw"
    sent: list[dict[str, Any]] = []
    browser.send = sent.append  # what would go to the page
    browser._heard(
        None, {"do": "rows", "version": browser._version, "first": 1200, "end": 1300}, []
    )
    assert [len(message["rows"]) for message in sent] == [50]
    browser._heard(None, {"do": "rows", "version": -1, "first": 0, "end": 9}, [])
    assert len(sent) == 1  # of a view that is gone
    browser._heard(None, {"do": "select", "first": 0, "end": 1250}, [])
    assert len(browser.selected) == 1250


def test_it_goes_where_the_path_says(open_at: Open, world: World) -> None:
    browser = open_at("/archive", filter="many")
    assert names(browser) == ["many"]
    browser.selected = ["/archive/many"]
    browser.path = f"/{CYCLE}"
    until(lambda: browser._view["path"] == f"/{CYCLE}", "the folder is shown")
    assert (browser.selected, browser.filter) == ([], "")
    browser.selected = [f"/{CYCLE}/journal.txt"]
    assert browser.paths == [f"{world.mountpoint}/{CYCLE}/journal.txt"]
    browser._heard(None, {"do": "enter", "path": f"/{CYCLE}/latest", "kind": "link"}, [])
    until(lambda: browser._version >= 3, "it has moved again")
    assert browser.path == f"/{CYCLE}"


def test_a_wrong_path_is_said_and_the_folder_stays(open_at: Open) -> None:
    browser = open_at("/archive")
    browser.path = "/archive/nope"
    until(lambda: browser.error, "an error is said")
    assert "/archive/nope" in browser.error
    assert browser.path == "/archive"
    browser.path = f"/{CYCLE}/journal.txt"
    until(lambda: "is a file" in browser.error, "that it is a file is said")
    assert browser.path == "/archive"


def test_actions_act_on_the_selection_or_on_what_is_named(open_at: Open) -> None:
    browser = open_at(f"/{CYCLE}")
    name = f"/{CYCLE}/SANS2D00022045.nxs"
    browser.selected = [name]
    assert browser.pin()[0].state == "pinned"
    row = browser._rows._by_path[name]
    until(lambda: row.status.percent == 100, "all of the pinned file came")
    assert browser.unpin(name)[0].state == "cached"
    assert browser.evict([name])[0].state == "remote"
    with pytest.raises(NotFound, match="nope"):
        browser.prefetch([f"/{CYCLE}/nope"])
    with pytest.raises(Unsupported, match=r"is not cached\. So it is with 1 more"):
        browser.prefetch([f"/home/{USER}/notes.txt"] * 2)


def test_a_folders_state_follows_its_files(open_at: Open) -> None:
    file = f"/{CYCLE}/SANS2D00022046.nxs"
    open_at(f"/{CYCLE}").evict([file])  # others may have fetched it
    browser = open_at("/archive/NDXSANS2D/Instrument/data")
    before = browser._rows.view[0].status.cached_bytes
    browser.prefetch([file])
    until(lambda: browser._rows.view[0].status.cached_bytes > before, "the folder's bytes grow")


def test_not_allowed(open_at: Open, world: World) -> None:
    browser = open_at("/rb")
    browser.path = "/rb/LOQ/RBNumber/RB1310999"
    until(lambda: browser.error, "an error is said")
    row = expected("widgets", "not allowed")
    assert says(row.user, browser.error)
    log = (world.served.parent / "serve.log").read_text()
    assert any(says(row.operator, line) for line in log.splitlines())


def test_the_page_cannot_break_it(open_at: Open) -> None:
    browser = open_at("/archive")
    browser._heard(None, {"do": "nothing known"}, [])
    assert browser.error.startswith("The widget failed (AttributeError: ")
    browser._heard(None, {"do": "enter", "path": "/archive/many", "kind": "folder"}, [])
    until(lambda: browser.path == "/archive/many" and not browser.error, "the folder is entered")


def test_the_monitor_knows_what_went_before_it(open_at: Open, world: World) -> None:
    browser = open_at(f"/{CYCLE}")
    [transfer] = browser.prefetch([f"/{CYCLE}/SANS2D00022044.nxs"])
    monitor = TransferMonitor(socket=world.socket)
    try:
        until(
            lambda: any(one.id == transfer.id for one in monitor.transfers), "the transfer is shown"
        )
        until(
            lambda: {one.id: one for one in monitor.transfers}[transfer.id].state == "done",
            "it is done",
        )
        shown = {one["id"]: one for one in monitor._shown}[transfer.id]
        assert (shown["rate"], shown["done_bytes"]) == (None, shown["total_bytes"])
        assert monitor.cancel(transfer.id).state == "done"  # too late, and no error
        with pytest.raises(NotFound, match="There is no transfer"):
            monitor.cancel("0" * 32)
        monitor._heard(None, {"do": "clear"}, [])
        until(lambda: monitor._shown == [], "the list is empty")
    finally:
        monitor.close()
