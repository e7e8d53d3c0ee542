"""Every store test runs on SQLite, and on PostgreSQL where its programs are installed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...support.waiting import until


def _programs() -> Path | None:
    """The folder of initdb and pg_ctl."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if found:
        return found[-1].parent
    on_path = shutil.which("pg_ctl")
    return Path(on_path).resolve().parent if on_path else None


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A PostgreSQL server of this test run's own, on a Unix socket only; its folder."""
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
    serve = [str(programs / "postgres"), "-D", data, "-h", "", "-k", str(folder), "-F"]
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **owner}
    try:
        subprocess.run(make, check=True, timeout=60, **quiet)
        server = subprocess.Popen(serve, **quiet)
        try:
            _wait_until_up(server, programs, folder)
            yield str(folder)
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(timeout=30)
    finally:
        shutil.rmtree(folder)


def _wait_until_up(server: subprocess.Popen[bytes], programs: Path, folder: Path) -> None:
    ask = [str(programs / "pg_isready"), "-q", "-h", str(folder)]

    def answers() -> bool:
        assert server.poll() is None, "PostgreSQL did not start"
        return subprocess.run(ask, timeout=30).returncode == 0

    until(answers, "PostgreSQL answers", 60, every_s=0.1)


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'vmm.sqlite'}"
    import asyncpg

    server = request.getfixturevalue("postgresql")
    connection = await asyncpg.connect(host=server, user="postgres", database="postgres")
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    return f"postgresql+asyncpg://postgres@/postgres?host={server}"
