"""The widgets in a real browser and kernel, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from ..world import CYCLE, World
from .conftest import SLOW_MS, START_S, TOKEN, new_page

pytestmark = [pytest.mark.browser, pytest.mark.mount]

CODE = """\
import json, os, pathlib
from jupyter_daaas_data import DataBrowser, TransferMonitor
browser, monitor = DataBrowser("/{cycle}", height=320), TransferMonitor()
def tell(_):
    pathlib.Path({told!r} + ".new").write_text(json.dumps([browser.selected, browser.paths]))
    os.replace({told!r} + ".new", {told!r})
browser.observe(tell, "selected")
display(browser, monitor)
"""
DIALOG_S = 20
HERE = {"lab": "/lab/tree/{}?token={}&reset", "notebook": "/notebooks/{}?token={}"}


@dataclass
class Widgets:
    """Both widgets under a cell, and what the kernel knows of them."""

    page: Page
    app: str
    told: Path
    artefacts: Path

    @property
    def list(self) -> Locator:
        return self.page.get_by_role("listbox", name="Files and folders")

    @property
    def monitor(self) -> Locator:
        return self.page.locator(".dmsw-monitor")

    def row(self, name: str) -> Locator:
        return self.list.get_by_role("option").filter(has_text=name)

    def active(self) -> Locator:
        return self.list.locator(".dmsw-active")

    def badge(self, name: str, state: str) -> Locator:
        return self.row(name).locator(f".dmsw-badge[data-state={state}]")

    def button(self, name: str) -> Locator:
        return self.page.locator(".dmsw-browser").get_by_role("button", name=name)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def path(self, path: str) -> None:
        """Go to a folder by the crumbs and by names, with the keyboard only."""
        self.page.get_by_role("navigation", name="Path").get_by_role("button").first.press("Enter")
        self.list.focus()
        for name in path.split("/"):
            expect(self.row(name).first).to_be_visible(timeout=SLOW_MS)
            self.press(*name)
            expect(self.active()).to_contain_text(name)
            self.press("Enter")
            expect(self.page.locator(".dmsw-crumb[aria-current]")).to_have_text(name)

    def selected(self) -> list[list[str]]:
        """``selected`` and ``paths`` as the kernel's observer was last told them."""
        return json.loads(self.told.read_text()) if self.told.exists() else []

    def wait_for_selected(self, *names: str) -> list[list[str]]:
        until = time.monotonic() + DIALOG_S
        while time.monotonic() < until:
            if [Path(one).name for one in (self.selected() or [[]])[0]] == list(names):
                return self.selected()
            self.page.wait_for_timeout(50)  # keeps the page's events going meanwhile
        raise AssertionError(f"the kernel knows {self.selected()}, not {names}")

    def keep(self, name: str) -> None:
        self.page.screenshot(path=self.artefacts / f"widgets-{self.app}-{name}.png")


@pytest.fixture(scope="module", params=sorted(HERE))
def widgets(
    request: pytest.FixtureRequest,
    browser: Browser,
    server: str,
    world: World,
    artefacts: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Widgets]:
    """A notebook with one cell that has run, for all tests of one application."""
    app = request.param
    told = tmp_path_factory.mktemp("told") / "selected.json"
    code = CODE.format(cycle=CYCLE, told=str(told))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    name = f"widgets-{app}.ipynb"
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, world.home / name)
    with new_page(browser) as page:
        page.goto(server + HERE[app].format(name, TOKEN))
        idle = page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first
        idle.wait_for(timeout=START_S * 1000, state="attached")
        run_first_cell(page)
        widgets = Widgets(page, app, told, artefacts)
        expect(widgets.row("SANS2D00022041")).to_be_visible(timeout=SLOW_MS)
        yield widgets


def run_first_cell(page: Page) -> None:
    """Run it until it has run: before the kernel is there, running it does nothing."""
    for attempts in reversed(range(6)):
        if page.locator(".jp-Dialog").count():  # "there is no kernel yet"
            page.keyboard.press("Escape")
        page.locator(".jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Control+Enter")
        try:
            prompt = page.locator(".jp-CodeCell .jp-InputPrompt").first
            expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=15_000)
        except AssertionError:
            if attempts == 0:
                raise
        else:
            return


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """The program ``pid`` does nothing meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_the_keyboard_alone_selects(widgets: Widgets, world: World) -> None:
    widgets.path(CYCLE)
    expect(widgets.list).to_be_focused()
    widgets.press("Home", "Space", "ArrowDown", "ArrowDown", "Space")
    selected, paths = widgets.wait_for_selected("SANS2D00022041.nxs", "SANS2D00022043.nxs")
    assert selected == [f"/{CYCLE}/SANS2D00022041.nxs", f"/{CYCLE}/SANS2D00022043.nxs"]
    assert paths == [str(world.mountpoint) + one for one in selected]
    assert Path(paths[0]).stat().st_size == 2 * 2**20
    expect(widgets.list.locator("[aria-selected=true]")).to_have_count(2)
    expect(widgets.list).to_be_focused()  # and not the cell below
    widgets.keep("1-selected")
    widgets.press("Escape", "Home", "Shift+ArrowDown", "Shift+ArrowDown")
    widgets.wait_for_selected(*(f"SANS2D000{number}.nxs" for number in (22041, 22042, 22043)))
    widgets.press("Control+a")
    expect(widgets.page.locator(".dmsw-said").first).to_contain_text("17 selected")
    widgets.press("Escape")
    widgets.wait_for_selected()
    widgets.press(*"journal")
    expect(widgets.active()).to_contain_text("journal.txt")
    widgets.press("Backspace")
    expect(widgets.active()).to_contain_text("cycle_13_2")  # where one comes from


def test_a_badge_turns_when_it_is_fetched(widgets: Widgets, world: World) -> None:
    name = {"lab": "SANS2D00022049", "notebook": "SANS2D00022050"}[widgets.app]
    widgets.path(CYCLE)
    expect(widgets.badge(name, "remote")).to_be_visible()
    widgets.press(*name, "Space")
    widgets.wait_for_selected(f"{name}.nxs")
    widgets.button("Fetch now").press("Enter")
    expect(widgets.badge(name, "cached")).to_be_visible(timeout=SLOW_MS)
    expect(widgets.monitor.locator("[data-state=done]").filter(has_text=name)).to_be_visible()
    widgets.button("Pin").press("Enter")
    expect(widgets.badge(name, "pinned")).to_be_visible(timeout=SLOW_MS)
    widgets.keep("2-fetched")
    widgets.button("Free space").press("Enter")
    alert = widgets.page.locator(".dmsw-browser").get_by_role("alert")
    expect(alert).to_contain_text("is pinned; unpin it first")
    widgets.button("Unpin").press("Enter")
    expect(widgets.badge(name, "cached")).to_be_visible(timeout=SLOW_MS)
    expect(alert).to_be_hidden()
    widgets.button("Free space").press("Enter")
    expect(widgets.badge(name, "remote")).to_be_visible(timeout=SLOW_MS)


def test_a_transfer_is_cancelled(widgets: Widgets, world: World) -> None:
    name = {"lab": "SANS2D00033837_events.nxs", "notebook": "SANS2D00033838_events.nxs"}[
        widgets.app
    ]
    widgets.path(CYCLE)
    widgets.press(*name, "Space")
    widgets.wait_for_selected(name)
    widgets.button("Free space").press("Enter")
    expect(widgets.badge(name, "remote")).to_be_visible(timeout=SLOW_MS)
    with frozen(world.service_pid):
        widgets.button("Fetch now").press("Enter")
        stop = widgets.monitor.get_by_role("button", name=f"Stop fetching {name}")
        expect(stop).to_be_visible(timeout=SLOW_MS)
        expect(widgets.monitor.get_by_role("progressbar", name=name)).to_be_visible()
        widgets.keep("3-running")
        stop.press("Enter")
        cancelled = widgets.monitor.locator("[data-state=cancelled]").filter(has_text=name)
        expect(cancelled).to_contain_text("cancelled", timeout=SLOW_MS)
    widgets.monitor.get_by_role("button", name="Clear ended").press("Enter")
    expect(widgets.monitor).to_contain_text("Nothing is on its way")


def test_a_thousand_rows_are_there_and_few_are_drawn(widgets: Widgets) -> None:
    widgets.path("archive/many")
    expect(widgets.page.locator(".dmsw-said").first).to_contain_text("1,250 entries")
    widgets.press("End")
    expect(widgets.active()).to_contain_text("RUN01249.raw", timeout=SLOW_MS)
    assert widgets.list.get_by_role("option").count() < 60
    expect(widgets.active()).to_have_attribute("aria-posinset", "1250")
    box = widgets.page.get_by_role("searchbox", name="Filter by name")
    box.fill("0124")
    expect(widgets.page.locator(".dmsw-said").first).to_contain_text("11 of 1,250 entries")
    box.press("ArrowDown")
    expect(widgets.list).to_be_focused()
    widgets.press("Control+a")
    expect(widgets.page.locator(".dmsw-said").first).to_contain_text("11 selected")
    widgets.keep("4-filtered")
