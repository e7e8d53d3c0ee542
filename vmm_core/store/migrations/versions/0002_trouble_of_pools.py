"""A pool's backoff says in a word what the trouble is, for what users are told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the word; backoffs of before have none."""
    op.add_column(
        "pool_backoff", sa.Column("trouble", sa.String(16), nullable=False, server_default="")
    )


def downgrade() -> None:
    """Remove the word."""
    op.drop_column("pool_backoff", "trouble")
