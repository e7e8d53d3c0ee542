"""The cache's index in SQLite: what is cached, how much of it and when it was last used.

It saves reading every description at the start and nothing else: it can be
deleted at any time, and is not believed after an unclean end. The block files
are the truth (:mod:`dms_core.cache.blocks`).
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

_LAYOUT = 1


@dataclass(slots=True)
class Record:
    """One cached file version."""

    name: str
    path: str
    size: int
    cached_bytes: int
    last_used_s: float
    pinned: bool


_COLUMNS = ", ".join(field.name for field in fields(Record))
_VALUES = ", ".join("?" for _ in fields(Record))
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    name TEXT PRIMARY KEY, path TEXT NOT NULL, size INTEGER NOT NULL,
    cached_bytes INTEGER NOT NULL, last_used_s REAL NOT NULL, pinned INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (clean INTEGER NOT NULL);
"""


class Index:
    """The file ``index.sqlite`` of a cache folder. One thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._database = self._open()
        except sqlite3.DatabaseError:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self._database = self._open()

    def load(self) -> list[Record] | None:
        """All records if the index was closed cleanly, else None: scan the block files.

        From here until :meth:`close` the index counts as unclean.
        """
        try:
            clean = self._database.execute("SELECT clean FROM state").fetchone()
            rows = self._database.execute(f"SELECT {_COLUMNS} FROM files")  # noqa: S608
            records = [
                Record(name, path, size, cached, used_s, bool(pinned))
                for name, path, size, cached, used_s, pinned in rows
            ]
            with self._database:
                self._database.execute("DELETE FROM state")
        except sqlite3.DatabaseError:
            return None
        return records if clean == (1,) else None

    def replace(self, records: Iterable[Record]) -> None:
        """Hold exactly ``records``."""
        with self._database:
            self._database.execute("DELETE FROM files")
            self._put(records)

    def update(self, changed: Iterable[Record], removed: Iterable[str]) -> None:
        """Write what changed since the last time."""
        with self._database:
            self._put(changed)
            self._database.executemany(
                "DELETE FROM files WHERE name = ?", [(name,) for name in removed]
            )

    def close(self) -> None:
        """Mark the index clean and close it."""
        with contextlib.suppress(sqlite3.DatabaseError), self._database:
            self._database.execute("INSERT INTO state VALUES (1)")
        self._database.close()

    def _put(self, records: Iterable[Record]) -> None:
        self._database.executemany(
            f"INSERT OR REPLACE INTO files ({_COLUMNS}) VALUES ({_VALUES})",  # noqa: S608
            [astuple(record) for record in records],
        )

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, check_same_thread=False, timeout=5)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = OFF")  # it is rebuilt after a crash anyway
            (layout,) = database.execute("PRAGMA user_version").fetchone()
            if layout not in (0, _LAYOUT):
                raise sqlite3.DatabaseError("an index of another layout")
            database.executescript(_SCHEMA)
            database.execute(f"PRAGMA user_version = {_LAYOUT}")
        except sqlite3.DatabaseError:
            database.close()
            raise
        return database
