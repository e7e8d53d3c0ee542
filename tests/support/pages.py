"""What a person does in the browser, step by step, for tests and benchmarks."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

START_TIMEOUT_MS = 90_000


def log_in(
    page: Page, hub_url: str, user: str, password: str, next_page: str = "/hub/home"
) -> None:
    """Log in at the hub and end on ``next_page`` (``/hub/spawn/USER`` is the spawn page)."""
    page.goto(f"{hub_url}/hub/login?next={next_page}")
    page.fill("#username_input", user)
    page.fill("#password_input", password)
    page.click("#login_submit")
    page.wait_for_url(f"{hub_url}{next_page}*")


def open_spawn_page(page: Page, hub_url: str, user: str) -> None:
    """The page with the choices, for the default server."""
    page.goto(f"{hub_url}/hub/spawn/{user}")
    page.wait_for_selector(".daaas-cards")


def choose(page: Page, environment: str, location: str | None = None) -> None:
    """Pick an environment by its name and, if given, a location."""
    page.check(f"input[name=environment][value={environment}]")
    if location:
        page.check(f"input[name=location][value={location}]")


def press_start(page: Page) -> None:
    """Press Start; returns once the request is sent."""
    page.click("button[type=submit]", no_wait_after=True)


def wait_for_lab(page: Page) -> None:
    """Return when JupyterLab is restored and its launcher can be used."""
    page.wait_for_selector(".jp-LauncherCard", timeout=START_TIMEOUT_MS)
    page.wait_for_selector("#jupyterlab-splash", state="detached")


def open_data_panel(page: Page) -> Locator:
    """The data panel, which JupyterLab may have opened by itself, as it was left."""
    panel = page.locator("#dms-data-panel")
    if not panel.is_visible():
        page.click("[data-id=dms-data-panel]")
    return panel


def stop_server(page: Page, hub_url: str) -> None:
    """Stop the default server on the hub's home page and wait until it is stopped."""
    page.goto(f"{hub_url}/hub/home")
    page.click("#stop")
    page.wait_for_selector("#stop", state="hidden", timeout=START_TIMEOUT_MS)
