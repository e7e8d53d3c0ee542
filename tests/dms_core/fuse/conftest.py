"""One service for all tests of the mount; a fresh mount for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .running import Mounted, Service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(params=["mfusepy", "fusepy"], scope="session")
def mounted(
    request: pytest.FixtureRequest, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mounted]:
    """A mount by each driver, shared by the tests that do not stop or fill it."""
    folder = tmp_path_factory.mktemp(request.param)
    with Mounted(service, folder, driver=request.param) as running:
        yield running


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Service]:
    """A service that a test may stop."""
    with Service(tmp_path / "service") as running:
        yield running
