"""First tables.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vmm_core.store.tables import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make everything."""
    op.create_table(
        "installation",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "machines",
        sa.Column("id", sa.String(63), primary_key=True),
        sa.Column("pool", sa.String(200), nullable=False),
        sa.Column("cloud", sa.String(63), nullable=False),
        sa.Column("location", sa.String(63), nullable=False),
        sa.Column("environment", sa.String(63), nullable=False),
        sa.Column("size", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("cloud_id", sa.String(255)),
        sa.Column("address", sa.String(255)),
        sa.Column("ports", sa.JSON, nullable=False),
        sa.Column("root", sa.String(1024), nullable=False),
        sa.Column("isolation", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("enrolment_sha256", sa.String(64)),
        sa.Column("reconnect_sha256", sa.String(64)),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("agent_ready_at", UtcDateTime),
        sa.Column("vacant_at", UtcDateTime),
    )
    op.create_index("machines_pool_state", "machines", ["pool", "state"])
    op.create_index("machines_state", "machines", ["state"])
    op.create_table(
        "leases",
        sa.Column("id", sa.String(63), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("frontend", sa.String(255), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("needs", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("machine", sa.String(63), sa.ForeignKey("machines.id"), unique=True),
        sa.Column("explanation", sa.JSON, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("session_sha256", sa.String(64)),
        sa.Column("handover_port", sa.Integer),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
    )
    op.create_index(
        "leases_live_key",
        "leases",
        ["frontend", "owner", "key"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("leases_state", "leases", ["state", "created_at"])
    op.create_index("leases_owner", "leases", ["owner"])
    op.create_table(
        "lease_events",
        sa.Column("lease", sa.String(63), sa.ForeignKey("leases.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("percent", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
    )
    op.create_table(
        "pool_locks",
        sa.Column("pool", sa.String(200), primary_key=True),
        sa.Column("holder", sa.String(63), nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "pool_backoff",
        sa.Column("pool", sa.String(200), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("until", UtcDateTime),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
    )
    op.create_table(
        "orphan_sightings",
        sa.Column("cloud", sa.String(63), primary_key=True),
        sa.Column("cloud_id", sa.String(255), primary_key=True),
        sa.Column("first_seen_at", UtcDateTime, nullable=False),
    )


def downgrade() -> None:
    """Remove everything."""
    for table in (
        "orphan_sightings",
        "pool_backoff",
        "pool_locks",
        "lease_events",
        "leases",
        "machines",
        "installation",
    ):
        op.drop_table(table)
