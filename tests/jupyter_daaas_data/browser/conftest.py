"""A JupyterLab on the mount, a Chromium, and what a person sees and does in the panel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

import jupyter_daaas_data

from ...conftest import browser_program
from ..world import World, running

PACKAGE = Path(jupyter_daaas_data.__file__).parent
TOKEN = "a-token-of-this-test"
START_S = 180
SLOW_MS = 30_000


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service and a mount of this folder's own, whose states no other test changes."""
    with running(tmp_path_factory.mktemp("dms")) as world:
        yield world


@pytest.fixture(scope="package")
def server(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``jupyter lab``, which serves Notebook 7 as well, with its root in the user's home."""
    folder = tmp_path_factory.mktemp("lab")
    extensions = folder / "share/labextensions/@jupyter-daaas"
    built = PACKAGE / "labextension"
    assert (built / "package.json").exists(), "run jlpm build:prod in jupyter_daaas_data/browser"
    extensions.mkdir(parents=True)
    (extensions / "data").symlink_to(built)
    (folder / "etc").mkdir()
    (folder / "etc/jupyter_server_config.d").symlink_to(PACKAGE / "server-config")
    settings = folder / "settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    environment = os.environ | {
        "DMS_SOCKET": str(world.socket),
        "HOME": str(folder),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_CONFIG_PATH": str(folder / "etc"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_PATH": str(folder / "share"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
    }
    options = [
        "--no-browser",
        "--allow-root",
        "--ServerApp.port=0",
        f"--ServerApp.root_dir={world.home}",
        f"--IdentityProvider.token={TOKEN}",
    ]
    with (folder / "lab.log").open("w+") as log:
        lab = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield _address(lab, folder / "lab.log")
        finally:
            lab.terminate()
            lab.wait(30)


def _address(lab: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + START_S
    while time.monotonic() < until and lab.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text()):
            return found.group()
        time.sleep(0.1)
    raise AssertionError(f"jupyter lab did not start:\n{log.read_text()}")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_program(), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page with a clipboard and nothing kept from others."""
    with new_page(browser) as page:
        yield page


@contextmanager
def new_page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 760})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(SLOW_MS)
    yield page
    context.close()


@dataclass
class Panel:
    """What a person sees and does in the panel."""

    page: Page
    artefacts: Path

    @property
    def node(self) -> Locator:
        return self.page.locator(".dms-DataPanel")

    def row(self, name: str) -> Locator:
        return self.node.locator(".jp-DirListing-item").filter(has_text=name)

    def badge(self, name: str, state: str) -> Locator:
        return self.row(name).locator(f".dms-Badge[data-state={state}]")

    def walk(self, path: str) -> None:
        """From the root into the folder at ``path``."""
        self.node.locator(".jp-BreadCrumbs-home").click()
        expect(self.row("archive")).to_be_visible(timeout=SLOW_MS)
        for name in path.split("/"):
            self.row(name).first.dblclick()
            expect(self.node.locator(".jp-BreadCrumbs")).to_contain_text(name, timeout=SLOW_MS)

    def choose(self, name: str, entry: str) -> None:
        """An entry of the row's context menu."""
        self.row(name).click(button="right")
        self.menu_item(entry).click()

    def menu_item(self, name: str) -> Locator:
        label = self.page.locator(".lm-Menu-itemLabel").get_by_text(name, exact=True)
        return self.page.locator(".lm-Menu-item").filter(has=label)

    def keep(self, name: str) -> None:
        self.page.screenshot(path=self.artefacts / f"data-{name}.png")

    def copied(self) -> str:
        return str(self.page.evaluate("navigator.clipboard.readText()"))


@pytest.fixture(scope="package")
def panel(browser: Browser, server: str, artefacts: Path) -> Iterator[Panel]:
    """The panel in one JupyterLab for all tests; each walks from the root."""
    with new_page(browser) as page:
        page.goto(f"{server}/lab?token={TOKEN}&reset")
        page.locator(".jp-Launcher").wait_for(timeout=START_S * 1000)
        page.locator("[data-id=dms-data-panel]").click()
        panel = Panel(page, artefacts)
        expect(panel.row("archive")).to_be_visible(timeout=SLOW_MS)
        yield panel
