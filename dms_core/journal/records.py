"""The journal's records in SQLite: which files wait to be sent, and what they are based on.

One small database, ``synchronous = FULL``: a record is on disk when its call
returns, a rename that touches two records is one transaction, and a torn write
is undone by SQLite. Bytes, sizes and times are in the data files; a record
changes when a file becomes dirty, when it is about to take its place at the
service, and when it is there, never per write.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .. import errors
from ..model import Conflict, Entry, Noun

_LAYOUT = 1
_KEPT_CONFLICTS = 200
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    key INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, id TEXT NOT NULL,
    mode INTEGER NOT NULL, base TEXT, sent TEXT NOT NULL, changed INTEGER NOT NULL,
    since_s REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS conflicts (path TEXT NOT NULL, copy TEXT NOT NULL, at_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS owner (
    journal TEXT NOT NULL, service TEXT NOT NULL, user TEXT NOT NULL
);
"""


class Sent(Noun):
    """What was about to take a file's place at the service, to be recognised there."""

    id: str
    size: int
    mtime_ns: int

    def is_entry(self, entry: Entry) -> bool:
        """Whether that entry is what was sent, and nobody changed it since."""
        return (entry.id, entry.size, entry.mtime_ns) == (self.id, self.size, self.mtime_ns)


@dataclass(slots=True)
class Record:
    """One file of the journal.

    ``base`` is the version at the service that these bytes replace; None where
    there was none. ``sent`` are versions of which it is not known whether they
    took its place. ``changed`` says that there are bytes in none of them.
    """

    key: int
    path: str
    id: str
    mode: int
    base: Entry | None
    sent: tuple[Sent, ...]
    changed: bool
    since_s: float

    @property
    def is_unsent(self) -> bool:
        """Whether the service may lack something of it."""
        return self.changed or bool(self.sent)


class Records:
    """The file ``journal.sqlite``. Any thread.

    Raises:
        ConfigError: it cannot be read, so what it lists cannot be sent by this mount.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._path = path
        try:
            self._database = sqlite3.connect(
                path, check_same_thread=False, timeout=5, isolation_level=None
            )
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            (layout,) = self._database.execute("PRAGMA user_version").fetchone()
            if layout not in (0, _LAYOUT):
                raise sqlite3.DatabaseError(f"layout {layout} of another release")
            self._database.executescript(_SCHEMA)
            self._database.execute(f"PRAGMA user_version = {_LAYOUT}")
        except sqlite3.DatabaseError as error:
            raise errors.ConfigError(
                f"The journal {path} cannot be used ({error}); it may hold unsent files: "
                "keep its folder, tell an operator, and name another in journal.folder."
            ) from None

    def owner(self) -> tuple[str, str, str] | None:
        """The journal's own name, the service and the user its files are for."""
        with self._transaction() as database:
            row = database.execute("SELECT journal, service, user FROM owner").fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def set_owner(self, service: str, user: str) -> str:
        """From now on files are for this user at this service; the journal's new name."""
        name = secrets.token_hex(4)
        with self._transaction() as database:
            database.execute("DELETE FROM owner")
            database.execute("INSERT INTO owner VALUES (?, ?, ?)", (name, service, user))
        return name

    def all(self) -> list[Record]:
        """All records, oldest first."""
        with self._transaction() as database:
            rows = database.execute(
                "SELECT key, path, id, mode, base, sent, changed, since_s FROM files ORDER BY key"
            ).fetchall()
        return [
            Record(
                key=key,
                path=path,
                id=entry_id,
                mode=mode,
                base=Entry.model_validate_json(base) if base else None,
                sent=tuple(Sent(**one) for one in json.loads(sent)),
                changed=bool(changed),
                since_s=since_s,
            )
            for key, path, entry_id, mode, base, sent, changed, since_s in rows
        ]

    def next_key(self) -> int:
        """A key that no record has or had."""
        with self._transaction() as database:
            row = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'files'")
            found = row.fetchone()
        return (found[0] if found else 0) + 1

    def put(self, record: Record, *, instead_of: Record | None = None) -> None:
        """Write a record; ``instead_of`` leaves in the same moment."""
        with self._transaction() as database:
            if instead_of is not None:
                database.execute("DELETE FROM files WHERE key = ?", (instead_of.key,))
            database.execute(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(record.key, record.path, record.id, record.mode),
                    record.base.model_dump_json() if record.base else None,
                    json.dumps([one.model_dump() for one in record.sent]),
                    *(record.changed, record.since_s),
                ),
            )

    def remove(self, record: Record, conflict: Conflict | None = None) -> None:
        """Forget a record, and in the same moment note the conflict it ended in."""
        with self._transaction() as database:
            database.execute("DELETE FROM files WHERE key = ?", (record.key,))
            if conflict is not None:
                row = (conflict.path, conflict.copy_path, conflict.at_s)
                database.execute("INSERT INTO conflicts VALUES (?, ?, ?)", row)
                database.execute(
                    "DELETE FROM conflicts WHERE rowid <= (SELECT max(rowid) FROM conflicts) - ?",
                    (_KEPT_CONFLICTS,),
                )

    def conflicts(self) -> list[Conflict]:
        """The latest conflicts, oldest first."""
        with self._transaction() as database:
            rows = database.execute("SELECT path, copy, at_s FROM conflicts ORDER BY rowid")
            return [Conflict(path=path, copy_path=copy, at_s=at_s) for path, copy, at_s in rows]

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield self._database
                except BaseException:
                    self._database.execute("ROLLBACK")
                    raise
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                raise errors.NoSpace(
                    f"The journal {self._path} takes no records ({error}); "
                    "make room on its disk, or tell an operator."
                ) from None
