"""What touches the ledger is tested on SQLite, and on PostgreSQL where that is installed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vmm_core.store import Store

from ..support.postgresql import Postgresql
from .ledgers import opened
from .world import Clock


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'vmm.sqlite'}"
    server: Postgresql = request.getfixturevalue("postgresql")
    return await server.empty_database()


@pytest.fixture
def clock() -> Clock:
    """The store's."""
    return Clock()


@pytest.fixture
async def store(url: str, clock: Clock) -> AsyncIterator[Store]:
    """A store on an empty database."""
    async with opened(url, clock) as store:
        yield store
