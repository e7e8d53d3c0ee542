"""Options and fixtures that all tests share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .support.postgresql import postgresql

__all__ = ["postgresql"]

CHECKOUT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `make test-slow` adds."""
    parser.addoption("--slow", action="store_true", help="also tests that take minutes each")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, with the reason, what this machine cannot run or nobody asked for."""
    if item.get_closest_marker("slow") and not item.config.getoption("--slow"):
        pytest.skip("takes minutes: make test-slow")
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root")
    if item.get_closest_marker("mount") and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/fuse")
    if item.get_closest_marker("browser") and browser_program() is None:
        pytest.skip("needs Chromium: apt-get install -y chromium")


def browser_program() -> str | None:
    """Debian's Chromium, or Google's browser."""
    return shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Folder for screenshots; kept, not committed."""
    folder = CHECKOUT / "tests" / "artefacts"
    folder.mkdir(exist_ok=True)
    return folder
