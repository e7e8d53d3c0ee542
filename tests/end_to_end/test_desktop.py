"""A remote desktop from the launcher: same machine, same data, gone with its server.

Keeps screenshots in ``tests/artefacts/end-to-end``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from examples.demo.archive import CYCLE
from examples.demo.stack import Stack, until
from jupyter_daaas_data.desktop.programs import missing

from ..support import pages
from ..support.messages import expected, says
from .notebook import Kernel

ABSENT = missing("icewm", shutil.which)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.mount,
    pytest.mark.timeout(240),
    pytest.mark.skipif(ABSENT is not None, reason=ABSENT.for_operator() if ABSENT else ""),
]

RUNS = f"/archive/NDXLOQ/{CYCLE}"
TERMINAL = "29,39,51"
"""The background of terminals, as red,green,blue: a terminal's picture is there."""
WHITE = "255,255,255"
"""The background of the file manager's list."""

COLOURS = """
() => {
  const canvas = document.querySelector('#screen canvas');
  if (!canvas || !canvas.width) return {};
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const found = {};
  for (let i = 0; i < data.length; i += 4 * 97) {
    const colour = `${data[i]},${data[i + 1]},${data[i + 2]}`;
    found[colour] = (found[colour] ?? 0) + 97 / (canvas.width * canvas.height);
  }
  return found;
}
"""


@pytest.fixture
def page(browser: Browser, trace_folder: Path) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    yield page
    context.pages[-1].screenshot(path=trace_folder / "last-desktop.png")
    context.close()


def share(desktop: Page, colour: str) -> float:
    """Which part of the picture has that colour."""
    return float(desktop.evaluate(COLOURS).get(colour, 0))


def open_desktop(page: Page) -> Page:
    """Click the launcher's entry; returns the new tab once the terminal is painted."""
    with page.context.expect_page() as opening:
        page.locator(".jp-LauncherCard", has_text="Desktop").click()
    desktop = opening.value
    expect(desktop.locator("#status")).to_have_text("Connected", timeout=40_000)
    for _ in until(40):
        if share(desktop, TERMINAL) > 0.2:
            break
    assert share(desktop, TERMINAL) > 0.2, desktop.evaluate(COLOURS)
    return desktop


def type_in_terminal(desktop: Page, line: str) -> None:
    """Click into the terminal and type a command, as a person does."""
    desktop.bring_to_front()
    desktop.mouse.click(700, 200)
    desktop.keyboard.type(line, delay=5)
    desktop.keyboard.press("Enter")


def desktop_processes(stack: Stack) -> set[str]:
    """Names of the desktop's processes on this stack's machines, as this host sees them."""
    hub = f"http://127.0.0.1:{stack._ports['hub']}/".encode()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if hub in (folder / "environ").read_bytes():
                found.add((folder / "comm").read_text().strip())
        except OSError:
            continue
    return found & {"Xtigervnc", "icewm", "xterm", "pcmanfm", "dbus-daemon"}


def test_the_desktop_and_the_notebook_share_the_data(
    stack: Stack, page: Page, trace_folder: Path
) -> None:
    pages.log_in(page, stack.hub_url, "bob", stack.settings.password)
    pages.open_spawn_page(page, stack.hub_url, "bob")
    pages.choose(page, "sans-for-sans2d", "isis")
    pages.press_start(page)
    pages.wait_for_lab(page)
    desktop = open_desktop(page)
    assert {"Xtigervnc", "icewm", "xterm"} <= desktop_processes(stack)

    # What is written in the desktop's terminal is in the notebook's panel.
    type_in_terminal(desktop, "echo from the desktop > desktop.txt")
    page.bring_to_front()
    panel = pages.open_data_panel(page)
    for folder in ("home", "bob"):
        panel.get_by_text(folder, exact=True).first.dblclick()
    written = panel.locator("li[data-dms-path='/home/bob/desktop.txt']")
    expect(written).to_be_visible(timeout=20_000)

    # And the other way round; the copy says that the terminal saw it.
    with Kernel(page, f"{stack.hub_url}/user/bob") as kernel:
        assert kernel.run("print(open('/data/home/bob/desktop.txt').read())") == "from the desktop"
        kernel.run("open('/data/home/bob/notebook.txt', 'w').write('from the notebook')")
        type_in_terminal(desktop, "cp notebook.txt seen.txt; ls -l; ls /data/archive")
        seen = "import pathlib; p = pathlib.Path('/data/home/bob/seen.txt')"
        for _ in until(20):  # a copy is there before its bytes are
            if said := kernel.run(f"{seen}; print(p.read_text() if p.exists() else '')"):
                break
        assert said == "from the notebook"

    # The file manager shows a run's folder without fetching what is in it.
    if shutil.which("pcmanfm"):
        type_in_terminal(desktop, f"pcmanfm /data{RUNS}")
        for _ in until(20):
            if share(desktop, WHITE) > 0.1:
                break
        assert share(desktop, WHITE) > 0.1
        page.bring_to_front()
        panel.locator(".jp-BreadCrumbs-home, .jp-BreadCrumbs-item").first.click()
        for folder in RUNS.strip("/").split("/"):
            panel.get_by_text(folder, exact=True).first.dblclick()
        run = panel.locator(f"li[data-dms-path='{RUNS}/LOQ00081070.nxs'] .dms-Badge")
        expect(run).to_have_attribute("data-state", "remote")
    desktop.bring_to_front()
    desktop.screenshot(path=trace_folder / "7-desktop.png")

    # The picture follows the browser's window.
    desktop.set_viewport_size({"width": 1100, "height": 700})
    desktop.wait_for_function("document.querySelector('#screen canvas').width === 1100")

    # The server's end is the desktop's, and its page says so.
    promised = expected("desktop", "session ended")
    pages.stop_server(page, stack.hub_url)
    for _ in until(20):
        if not desktop_processes(stack):
            break
    assert desktop_processes(stack) == set()
    desktop.bring_to_front()
    expect(desktop.locator("#desktop-notice")).to_have_text(promised.user, timeout=30_000)
    desktop.screenshot(path=trace_folder / "8-desktop-ended.png")
    log = stack.log("hub").splitlines()
    assert any(says(promised.operator, line) and " bob " in line for line in log)
