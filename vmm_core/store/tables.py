"""The tables, as the code sees them. How they came to be is in ``migrations/``.

Two unique indexes carry the promises of the service: no machine has two
leases (``leases.machine``), and an idempotency key means one lease while it
lasts (``leases_live_key``).
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware UTC time, also on SQLite, which keeps no timezone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database; a time without a timezone is a bug."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no timezone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

installation = Table(
    "installation",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
)
"""One row: the name under which this installation tags its machines."""

machines = Table(
    "machines",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("pool", String(200), nullable=False),
    Column("cloud", String(63), nullable=False),
    Column("location", String(63), nullable=False),
    Column("environment", String(63), nullable=False),
    Column("size", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("cloud_id", String(255)),
    Column("address", String(255)),
    Column("ports", JSON, nullable=False),
    Column("root", String(1024), nullable=False),
    Column("isolation", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("holding", Text, nullable=False, server_default=""),  # its user's, only there
    Column("enrolment_sha256", String(64)),  # empty once used
    Column("reconnect_sha256", String(64)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("agent_ready_at", UtcDateTime),
    Column("vacant_at", UtcDateTime),
    Index("machines_pool_state", "pool", "state"),
    Index("machines_state", "state"),
)

leases = Table(
    "leases",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("frontend", String(255), nullable=False),
    Column("key", String(255), nullable=False),
    Column("needs", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("machine", String(63), ForeignKey("machines.id"), unique=True),
    Column("explanation", JSON, nullable=False),
    Column("events", Integer, nullable=False),  # how many; the next one's number
    Column("session_sha256", String(64)),  # of the session it is bound to
    Column("handover_port", Integer),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Index(
        "leases_live_key",
        "frontend",
        "owner",
        "key",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index("leases_state", "state", "created_at"),
    Index("leases_owner", "owner"),
)

lease_events = Table(
    "lease_events",
    metadata,
    Column("lease", String(63), ForeignKey("leases.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("percent", Integer, nullable=False),
    Column("message", Text, nullable=False),
)

pool_locks = Table(
    "pool_locks",
    metadata,
    Column("pool", String(200), primary_key=True),
    Column("holder", String(63), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

pool_backoff = Table(
    "pool_backoff",
    metadata,
    Column("pool", String(200), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("until", UtcDateTime),  # empty: stopped until an operator resumes it
    Column("reason", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("trouble", String(16), nullable=False, server_default=""),  # a word for users
)

orphan_sightings = Table(
    "orphan_sightings",
    metadata,
    Column("cloud", String(63), primary_key=True),
    Column("cloud_id", String(255), primary_key=True),
    Column("first_seen_at", UtcDateTime, nullable=False),
)
