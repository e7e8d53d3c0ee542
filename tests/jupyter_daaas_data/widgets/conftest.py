"""A mount of these tests' own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..world import World, running


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service and a mount whose states no test of another folder changes."""
    with running(tmp_path_factory.mktemp("dms")) as world:
        yield world
