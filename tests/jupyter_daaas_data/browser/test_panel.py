"""The panel in a real browser, on a real server and mount, in JupyterLab and Notebook 7."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ..world import CYCLE, EXPERIMENT, USER, World
from .conftest import SLOW_MS, START_S, TOKEN, Panel

pytestmark = [pytest.mark.browser, pytest.mark.mount]


def test_folders_locks_and_badges_are_shown(panel: Panel) -> None:
    expect(panel.row("archive").locator(".dms-Lock")).to_be_visible()
    panel.keep("1-volumes")
    panel.walk(CYCLE)
    expect(panel.node.locator(".dms-FolderLine")).to_contain_text("Read-only")
    expect(panel.badge("SANS2D00022047", "remote")).to_have_text("remote")
    assert "fetched when it is read" in (panel.row("SANS2D00022047").get_attribute("title") or "")
    panel.keep("2-remote")


def test_fetch_now_turns_the_badge_without_a_reload(panel: Panel, world: World) -> None:
    panel.walk(CYCLE)
    panel.choose("SANS2D00022047", "Fetch now")
    expect(panel.badge("SANS2D00022047", "cached")).to_be_visible(timeout=SLOW_MS)
    expect(panel.node.locator(".dms-Transfers")).to_contain_text("SANS2D00022047")
    panel.keep("3-cached")


def test_what_code_reads_is_seen_in_the_panel(panel: Panel, world: World) -> None:
    panel.walk(CYCLE)
    with (world.mountpoint / CYCLE / "SANS2D00033837_events.nxs").open("rb") as file:
        file.read(4096)
    badge = panel.badge("SANS2D00033837", "partial")
    expect(badge).to_be_visible(timeout=SLOW_MS)
    assert "%" in (badge.get_attribute("aria-label") or "")


def test_pin_and_free_space(panel: Panel) -> None:
    panel.walk(CYCLE)
    panel.choose("SANS2D00022048", "Pin")
    expect(panel.badge("SANS2D00022048", "pinned")).to_be_visible(timeout=SLOW_MS)
    panel.choose("SANS2D00022048", "Unpin")
    panel.choose("SANS2D00022048", "Free space")
    expect(panel.badge("SANS2D00022048", "remote")).to_be_visible(timeout=SLOW_MS)


def test_the_mounted_path_is_copied_and_inserted(panel: Panel, world: World) -> None:
    panel.walk(CYCLE)
    path = str(world.mountpoint / CYCLE / "SANS2D00022041.nxs")
    panel.row("SANS2D00022041").click()
    panel.page.keyboard.press("Control+C")
    assert panel.copied() == path
    panel.page.keyboard.press("Control+Shift+L")
    panel.page.locator(".jp-LauncherCard[data-category=Notebook]:visible").first.click()
    cell = panel.page.locator(".jp-Notebook .cm-content:visible").first
    cell.wait_for()
    panel.row("SANS2D00022041").click()
    panel.page.locator("[data-jp-item-name='dms:insert-path'] .jp-ToolbarButtonComponent").click()
    expect(cell).to_have_text(f'"{path}"')
    panel.keep("4-inserted")


def test_data_that_cannot_be_shown_offers_its_path(panel: Panel, world: World) -> None:
    panel.walk(CYCLE)
    panel.row("SANS2D00022041").dblclick()
    dialog = panel.page.locator(".jp-Dialog")
    expect(dialog).to_contain_text(str(world.mountpoint / CYCLE / "SANS2D00022041.nxs"))
    panel.keep("5-use-it-in-code")
    dialog.get_by_text("Copy path").click()
    assert panel.copied().endswith("SANS2D00022041.nxs")


def test_small_text_is_shown_read_only(panel: Panel) -> None:
    panel.walk(CYCLE)
    panel.row("journal.txt").dblclick()
    expect(panel.page.locator(".jp-FileEditor .cm-content:visible")).to_contain_text("direct beam")


def test_home_files_open_where_they_can_be_saved(panel: Panel) -> None:
    panel.walk(f"home/{USER}")
    panel.row("notes.txt").dblclick()
    editor = panel.page.locator(".jp-FileEditor .cm-content:visible")
    expect(editor).to_contain_text("mine")
    expect(editor).to_have_attribute("contenteditable", "true")


def test_an_experiment_is_reached_by_its_number(panel: Panel) -> None:
    box = panel.node.locator(".dms-Search-input")
    box.fill("RB1310123")
    box.press("Enter")
    expect(panel.row("reduced.txt")).to_be_visible(timeout=SLOW_MS)
    assert (
        panel.page.locator(".dms-DataPanel .jp-BreadCrumbs")
        .inner_text()
        .endswith(f"{EXPERIMENT.rsplit('/', 1)[1]}/")
    )


def test_the_filter_reaches_beyond_the_first_thousand(panel: Panel) -> None:
    panel.walk("archive/many")
    expect(panel.node.locator(".dms-FolderLine")).to_contain_text("First 1000", timeout=SLOW_MS)
    panel.node.locator(".dms-Search-input").fill("RUN01249")
    expect(panel.row("RUN01249.raw")).to_be_visible(timeout=SLOW_MS)
    expect(panel.node.locator(".jp-DirListing-item")).to_have_count(1)


def test_delete_key_deletes_nothing_here_nor_elsewhere(panel: Panel, world: World) -> None:
    panel.walk(f"home/{USER}")
    panel.row("notes.txt").click()
    panel.page.keyboard.press("Delete")
    expect(panel.page.locator(".Toastify")).to_contain_text("for looking")
    expect(panel.page.locator(".jp-Dialog")).to_have_count(0)
    assert (world.home / "notes.txt").exists()


def test_dark_theme(panel: Panel) -> None:
    panel.page.locator(".lm-MenuBar-item").filter(has_text="Settings").click()
    panel.menu_item("Theme").click()
    panel.menu_item("JupyterLab Dark").click()
    panel.page.locator("body[data-jp-theme-light=false]").wait_for(state="attached")
    panel.walk(CYCLE)
    panel.keep("6-dark")


def test_notebook_7_has_the_panel_too(page: Page, server: str, artefacts: Path) -> None:
    page.goto(f"{server}/tree?token={TOKEN}")
    page.locator(".lm-MenuBar-item").filter(has_text="View").click(timeout=START_S * 1000)
    page.locator(".lm-Menu-item").filter(has_text="Left Sidebar").click()
    page.locator(".lm-Menu-item").filter(has_text="Experiment data").click()
    panel = Panel(page, artefacts)
    panel.walk(CYCLE)
    panel.choose("SANS2D00022051", "Fetch now")
    expect(panel.badge("SANS2D00022051", "cached")).to_be_visible(timeout=SLOW_MS)
    panel.keep("7-notebook")
