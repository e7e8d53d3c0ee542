"""One service and one mount for all tests of this face."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .world import World, running


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service and a mount; each test uses files of its own."""
    with running(tmp_path_factory.mktemp("dms")) as world:
        yield world
