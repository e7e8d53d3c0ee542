"""What the store does is tested on SQLite, and on PostgreSQL where its programs are installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...support.postgresql import Postgresql


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'vmm.sqlite'}"
    server: Postgresql = request.getfixturevalue("postgresql")
    return await server.empty_database()
