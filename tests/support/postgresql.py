"""A real PostgreSQL server of the test run's own, on a Unix socket in a temporary folder.

The fixture ``postgresql`` (of all tests, see tests/conftest.py) starts one when it is asked
for, and skips where PostgreSQL is not installed::

    async def test_something(postgresql):
        store = Store(await postgresql.empty_database())
    def test_something(postgresql):
        Store(asyncio.run(postgresql.empty_database()))
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .waiting import until

CONNECTIONS = 400
"""Several services with many claimers each."""


class Postgresql:
    """A running server; ``folder`` has its socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def url(self, database: str = "postgres") -> str:
        """The URL of a database, as the VMM is told it."""
        return f"postgresql+asyncpg://postgres@/{database}?host={self.folder}"

    async def empty_database(self) -> str:
        """The URL of a new database, which nobody else uses."""
        import asyncpg

        name = f"vmm_{uuid.uuid4().hex}"
        connection = await asyncpg.connect(
            host=str(self.folder), user="postgres", database="postgres"
        )
        try:
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        finally:
            await connection.close()
        return self.url(name)


@contextmanager
def running_postgresql() -> Iterator[Postgresql]:
    """A server; nothing of it is left after the ``with``. Skips where it is not installed."""
    pytest.importorskip("asyncpg", reason="needs asyncpg")
    programs = _programs()
    if programs is None:
        pytest.skip("needs PostgreSQL: apt-get install -y postgresql")
    # A socket's path is short, and PostgreSQL does not run as root.
    folder = Path(tempfile.mkdtemp(prefix="vmm-pg-"))
    data = str(folder / "data")
    owner = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        owner = {"user": "postgres", "group": "postgres"}
    make = [str(programs / "initdb"), "-D", data, "-A", "trust", "-U", "postgres", "--no-sync"]
    most = f"max_connections={CONNECTIONS}"
    serve = [str(programs / "postgres"), "-D", data, "-h", "", "-k", str(folder), "-F", "-c", most]
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **owner}
    try:
        subprocess.run(make, check=True, timeout=60, **quiet)
        server = subprocess.Popen(serve, **quiet)
        try:
            _wait_until_up(server, programs, folder)
            yield Postgresql(folder)
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(timeout=30)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """The server of this test run."""
    with running_postgresql() as server:
        yield server


def _programs() -> Path | None:
    """The folder of initdb and postgres."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if found:
        return found[-1].parent
    on_path = shutil.which("pg_ctl")
    return Path(on_path).resolve().parent if on_path else None


def _wait_until_up(server: subprocess.Popen[bytes], programs: Path, folder: Path) -> None:
    ask = [str(programs / "pg_isready"), "-q", "-h", str(folder)]

    def answers() -> bool:
        assert server.poll() is None, "PostgreSQL did not start"
        return subprocess.run(ask, timeout=30).returncode == 0

    until(answers, "PostgreSQL answers", 60, every_s=0.1)
