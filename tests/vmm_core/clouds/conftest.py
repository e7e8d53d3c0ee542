"""A folder for local machines, and clouds there whose machines are gone in the end."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from vmm_core.clouds.local.cloud import LocalCloud

from .local_machines import WAYS, Make, free_port, options


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: overlays have a limit of a page for their options."""
    with tempfile.TemporaryDirectory(prefix="vmm-local-") as path:
        yield Path(path) / "machines"


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture
async def make(folder: Path, way: str, port: int) -> AsyncIterator[Make]:
    """Makes clouds with more options; their machines are deleted in the end."""
    made: list[LocalCloud] = []

    def make(**more: object) -> LocalCloud:
        made.append(
            LocalCloud("here", options(**{"folder": folder, "way": way, "port": port, **more}))
        )
        return made[-1]

    yield make
    for cloud in made:
        for machine in await cloud.list_owned("tests"):
            await cloud.delete(machine.id)
        await cloud.close()


@pytest.fixture
def cloud(make: Make) -> LocalCloud:
    return make()
