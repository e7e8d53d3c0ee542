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
        if value is None or value.tzinfo is UTC:
            return value
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
    Column("replica", String(63)),  # the process its agent is connected to
    Column("agent_lost_at", UtcDateTime),  # since when it is connected to none
    Column("kept_until", UtcDateTime),  # held after its lease until then
    Column("active_at", UtcDateTime),  # when its user was last seen at work
    Column("activity", Text, nullable=False, server_default=""),  # what was seen then, in words
    Column("console", Text),  # of a failed one, while it is held
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
    Column("group", String(255), nullable=False, server_default=""),
    Column("groups", JSON, nullable=False, server_default="[]"),  # all of the owner's, as told
    Column("claimed_at", UtcDateTime),
    Column("ends_at", UtcDateTime),
    Column("extensions", Integer, nullable=False, server_default="0"),
    Column("warned_at", UtcDateTime),
    Column("reservation", String(63)),
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
    Index("leases_reservation", "reservation"),
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
    Column("kind", String(16), nullable=False, server_default="machine"),
    Column("first_seen_at", UtcDateTime, nullable=False),
)

replicas = Table(
    "replicas",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("url", String(1024), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)
"""The service's processes that run now, and how they are reached by each other."""

switches = Table(
    "switches",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("by", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
)

reservations = Table(
    "reservations",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("group", String(255), nullable=False),
    Column("frontend", String(255), nullable=False),
    Column("key", String(255), nullable=False),
    Column("needs", JSON, nullable=False),
    Column("pool", String(200), nullable=False),
    Column("machines", Integer, nullable=False),
    Column("ready_from", UtcDateTime, nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("cancelled_at", UtcDateTime),
    Index("reservations_key", "frontend", "owner", "key", unique=True),
    Index("reservations_window", "pool", "ends_at"),
)

members = Table(
    "members",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("lease", String(63), ForeignKey("leases.id"), nullable=False),
    Column("user", String(255), nullable=False),
    Column("role", String(16), nullable=False),
    Column("granted_by", String(255), nullable=False),
    Column("granted_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Index("members_lease", "lease"),
    Index("members_user", "user"),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("frontend", String(255), nullable=False),
    Column("action", String(63), nullable=False),
    Column("lease", String(63)),
    Column("machine", String(63)),
    Column("subject", String(255), nullable=False),
    Column("detail", Text, nullable=False),
    Index("audit_lease", "lease"),
    Index("audit_at", "at"),
)

arrivals = Table(
    "arrivals",
    metadata,
    Column("pool", String(200), primary_key=True),
    Column("hour", UtcDateTime, primary_key=True),
    Column("requests", Integer, nullable=False),
    Column("served", Integer, nullable=False),  # at once, from what was ready
)
"""How many requests each pool was the first choice of, by the hour. Outlives the leases."""

topcat_ids = Table(
    "topcat_ids",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("name", String(200), nullable=False),
    Index("topcat_ids_name", "kind", "name", unique=True),
)
"""Numbers that stand for names, for a frontend that knows numbers only."""
