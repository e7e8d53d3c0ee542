"""A machine's row says what of its user's is on it and nowhere else yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what machines hold; of those there are, nothing is known."""
    op.add_column("machines", sa.Column("holding", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("machines", "holding")
