"""A PostgreSQL server of this run's own, on a Unix socket, as durable as it is by itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path

from .processes import Program


class Postgres:
    """One server with empty databases; not run as root, which PostgreSQL refuses."""

    def __init__(self) -> None:
        self._programs = self._found()
        # A socket's path is short; the folder is PostgreSQL's user's own.
        self._folder = Path(tempfile.mkdtemp(prefix="bench-pg-"))
        self._user = "postgres" if os.geteuid() == 0 else None
        self._server = Program("postgres", self._folder, user=self._user)

    @property
    def url(self) -> str:
        """For ``vmm serve --database``."""
        return f"postgresql+asyncpg://postgres@/postgres?host={self._folder}"

    def start(self) -> None:
        """Make the database, start the server, wait until it answers."""
        data = str(self._folder / "data")
        if self._user:
            shutil.chown(self._folder, self._user, self._user)
        make = [str(self._programs / "initdb"), "-D", data, "-A", "trust", "-U", "postgres"]
        subprocess.run(
            make,
            cwd=self._folder,
            check=True,
            timeout=60,
            capture_output=True,
            user=self._user,
            group=self._user,
        )
        serve = [str(self._programs / "postgres"), "-D", data, "-h", "", "-k", str(self._folder)]
        self._server.start(serve)
        self._server.wait(self._answers, 60)

    def empty_database(self) -> str:
        """The URL of one more database."""
        name = f"bench_{uuid.uuid4().hex}"
        make = [str(self._programs / "createdb"), "-h", str(self._folder), "-U", "postgres", name]
        subprocess.run(make, check=True, timeout=60, capture_output=True)
        return f"postgresql+asyncpg://postgres@/{name}?host={self._folder}"

    def stop(self) -> None:
        """End it and remove its folder."""
        self._server.stop(signal.SIGINT)  # at once, whoever is connected
        shutil.rmtree(self._folder)

    def _answers(self) -> bool:
        ask = [str(self._programs / "pg_isready"), "-q", "-h", str(self._folder)]
        return subprocess.run(ask, timeout=30).returncode == 0

    def _found(self) -> Path:
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if folders:
            return folders[-1]
        if on_path := shutil.which("initdb"):
            return Path(on_path).resolve().parent
        raise SystemExit("PostgreSQL is missing; run: apt-get install -y postgresql")
