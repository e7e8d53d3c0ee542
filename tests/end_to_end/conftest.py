"""One running system for all end-to-end tests, and a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from examples.demo.stack import Settings, Stack

from ..conftest import browser_program
from ..support.openstack_lab import openstack_lab

__all__ = ["openstack_lab"]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The demo's whole system, with a small event file."""
    folder = tmp_path_factory.mktemp("stack")
    stack = Stack(Settings(state=folder / "state", data=folder / "data", events_gb=0.1))
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium that looks nothing up outside this machine.

    Of a module: while Playwright's blocking API is open, no asyncio test can run.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_program(),
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-background-networking",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def trace_folder(artefacts: Path) -> Path:
    """Where this suite's screenshots go."""
    folder = artefacts / "end-to-end"
    folder.mkdir(exist_ok=True)
    return folder
