"""What a facility needs: replicas, groups, lifetimes, bookings, sharing, an audit log, history."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from vmm_core.store.tables import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MACHINES: tuple[sa.Column[Any], ...] = (
    sa.Column("replica", sa.String(63)),
    sa.Column("agent_lost_at", UtcDateTime),
    sa.Column("kept_until", UtcDateTime),
    sa.Column("active_at", UtcDateTime),
    sa.Column("activity", sa.Text(), nullable=False, server_default=""),
    sa.Column("console", sa.Text()),
)
LEASES: tuple[sa.Column[Any], ...] = (
    sa.Column("group", sa.String(255), nullable=False, server_default=""),
    sa.Column("groups", sa.JSON(), nullable=False, server_default="[]"),
    sa.Column("claimed_at", UtcDateTime),
    sa.Column("ends_at", UtcDateTime),
    sa.Column("extensions", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("warned_at", UtcDateTime),
    sa.Column("reservation", sa.String(63)),
)
TABLES = ("replicas", "switches", "reservations", "members", "audit", "arrivals", "topcat_ids")


def upgrade() -> None:
    """Add the columns and tables; what there is stays as it was."""
    for column in MACHINES:
        op.add_column("machines", column)
    for column in LEASES:
        op.add_column("leases", column)
    op.create_index("leases_reservation", "leases", ["reservation"])
    op.add_column(
        "orphan_sightings",
        sa.Column("kind", sa.String(16), nullable=False, server_default="machine"),
    )
    op.create_table(
        "replicas",
        sa.Column("id", sa.String(63), primary_key=True),
        sa.Column("url", sa.String(1024), nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("seen_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "switches",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("by", sa.String(255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
    )
    op.create_table(
        "reservations",
        sa.Column("id", sa.String(63), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("group", sa.String(255), nullable=False),
        sa.Column("frontend", sa.String(255), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("needs", sa.JSON(), nullable=False),
        sa.Column("pool", sa.String(200), nullable=False),
        sa.Column("machines", sa.Integer(), nullable=False),
        sa.Column("ready_from", UtcDateTime, nullable=False),
        sa.Column("starts_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("cancelled_at", UtcDateTime),
    )
    op.create_index("reservations_key", "reservations", ["frontend", "owner", "key"], unique=True)
    op.create_index("reservations_window", "reservations", ["pool", "ends_at"])
    op.create_table(
        "members",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("lease", sa.String(63), sa.ForeignKey("leases.id"), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("granted_by", sa.String(255), nullable=False),
        sa.Column("granted_at", UtcDateTime, nullable=False),
        sa.Column("revoked_at", UtcDateTime),
    )
    op.create_index("members_lease", "members", ["lease"])
    op.create_index("members_user", "members", ["user"])
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("frontend", sa.String(255), nullable=False),
        sa.Column("action", sa.String(63), nullable=False),
        sa.Column("lease", sa.String(63)),
        sa.Column("machine", sa.String(63)),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
    )
    op.create_index("audit_lease", "audit", ["lease"])
    op.create_index("audit_at", "audit", ["at"])
    op.create_table(
        "arrivals",
        sa.Column("pool", sa.String(200), primary_key=True),
        sa.Column("hour", UtcDateTime, primary_key=True),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("served", sa.Integer(), nullable=False),
    )
    op.create_table(
        "topcat_ids",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
    )
    op.create_index("topcat_ids_name", "topcat_ids", ["kind", "name"], unique=True)


def downgrade() -> None:
    """Remove them, with what is in them."""
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_column("orphan_sightings", "kind")
    op.drop_index("leases_reservation", "leases")
    for column in LEASES:
        op.drop_column("leases", column.name)
    for column in MACHINES:
        op.drop_column("machines", column.name)
