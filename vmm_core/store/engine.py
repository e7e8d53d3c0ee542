"""Opens the database, brings it to the newest schema, and gives out transactions.

A writing transaction on SQLite is ``BEGIN IMMEDIATE``, so that what it read
cannot change before it writes; writers of one process queue in memory instead
of polling the file's lock. ``synchronous=FULL``: a lease that was given is
still given after a power cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ..errors import Unavailable

Clock = Callable[[], datetime]

_BUSY_TIMEOUT_S = 30
_MIGRATION_LOCK = 7_261_145  # any number, the same for all replicas
_ALONE_LOCK = 7_261_146
_LOCK_S = 10
"""PostgreSQL: longer than this nobody waits for a lock, or holds one without a word."""


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Transaction:
    """An open transaction; queries take it as their first argument."""

    connection: AsyncConnection
    now: datetime
    told: set[str] = field(default_factory=set)
    """Leases that got an event; their followers are woken after the commit."""

    async def alone(self) -> None:
        """Return when no other transaction of any replica has asked for this and lasts.

        What is decided from here on (who gets which machine) is decided one after the
        other. On SQLite every writing transaction is alone.
        """
        if self.connection.dialect.name == "postgresql":
            await self.connection.execute(
                text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ALONE_LOCK}
            )


def upsert(tx: Transaction) -> type[postgresql.Insert] | type[sqlite.Insert]:
    """The INSERT that knows ``ON CONFLICT``, of the transaction's database."""
    return postgresql.Insert if tx.connection.dialect.name == "postgresql" else sqlite.Insert


def of_one_row(error: Exception) -> bool:
    """Whether an error may be of what was to be written, and not of the database."""
    if not isinstance(error, DBAPIError):
        return not isinstance(error, OSError)
    state = str(getattr(error.orig, "sqlstate", "") or "")
    return isinstance(error, IntegrityError | DataError) or state[:2] in ("22", "23")


class Database:
    """One engine with its transactions."""

    def __init__(self, url: str, clock: Clock) -> None:
        try:
            self.url: URL = make_url(url)
            self.url.get_dialect()
        except (ArgumentError, NoSuchModuleError, ImportError):
            raise Unavailable(
                f"{url!r} is not a database URL that can be used here: "
                f"write sqlite+aiosqlite:////folder/vmm.sqlite or postgresql+asyncpg://host/name"
            ) from None
        self._clock = clock
        self._engine: AsyncEngine | None = None
        self._sqlite = self.url.get_backend_name() == "sqlite"
        self._one_writer = asyncio.Lock()

    async def open(self) -> None:
        """Connect and migrate; several processes may do so at once.

        Raises:
            Unavailable: the database cannot be reached or used, in one sentence.
        """
        try:
            self._engine = self._make_engine()
            async with self._engine.connect() as connection:
                # Alembic commits after each migration unless there is a transaction before it:
                # in between, another process would begin with the next.
                if self._sqlite:
                    await connection.execute(text("SELECT 1"))
                else:  # however long another one migrates
                    await connection.execute(text("SET LOCAL lock_timeout = 0"))
                    await connection.execute(
                        text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK}
                    )
                await connection.run_sync(_migrate)
                await connection.commit()
        except CommandError as error:
            await self.close()
            raise Unavailable(
                f"the database {self} was made by a newer version ({error}): "
                f"install that version, or start with another database"
            ) from None
        except (DBAPIError, OSError, ImportError) as error:
            await self.close()
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise Unavailable(
                f"the database {self} cannot be opened ({cause}): check the URL and its permissions"
            ) from None

    async def close(self) -> None:
        """Close all connections."""
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """A transaction that commits at the end of the block, or leaves no trace."""
        async with AsyncExitStack() as stack:
            if self._sqlite:
                await stack.enter_async_context(self._one_writer)
            connection = await stack.enter_async_context(self._connected().begin())
            yield Transaction(connection, self._clock())

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """A transaction that sees one state of the database and changes nothing."""
        async with self._connected().connect() as connection:
            level = {"read_only": True} if self._sqlite else {"isolation_level": "REPEATABLE READ"}
            await connection.execution_options(**level)
            yield Transaction(connection, self._clock())

    def _connected(self) -> AsyncEngine:
        if self._engine is None:
            raise Unavailable(f"the database {self} is not open")
        return self._engine

    def _make_engine(self) -> AsyncEngine:
        if not self._sqlite:
            limits = {
                "lock_timeout": f"{_LOCK_S}s",
                "idle_in_transaction_session_timeout": f"{_LOCK_S}s",
            }
            return create_async_engine(
                self.url, pool_pre_ping=True, connect_args={"server_settings": limits}
            )
        if self.url.database:
            Path(self.url.database).touch(mode=0o600)
        engine = create_async_engine(self.url, connect_args={"timeout": _BUSY_TIMEOUT_S})
        _configure_sqlite(engine.sync_engine)
        return engine


def _configure_sqlite(engine: Engine) -> None:
    """WAL, foreign keys, and transactions that begin when SQLAlchemy says so."""

    @event.listens_for(engine, "connect")
    def connect(connection: object, _record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]
        cursor = connection.cursor()  # type: ignore[attr-defined]
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("read_only")
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "vmm_core.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
