"""Queries on the audit log. Entries are added, read, and forgotten when they are old."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select, text

from ...model import AuditEntry
from ..engine import Transaction
from ..records import Actor
from ..tables import audit

_ORDER_LOCK = 7_261_147  # any number, the same for all replicas
_SUBJECT = 255


async def note(
    tx: Transaction,
    by: Actor,
    action: str,
    *,
    lease: str | None = None,
    machine: str | None = None,
    subject: str = "",
    detail: str = "",
) -> None:
    """Add a line in the transaction that does what it tells; the last thing it does.

    On PostgreSQL numbers are given out in the order of commits by that: who reads
    on from the last number misses none.
    """
    if tx.connection.dialect.name == "postgresql":
        await tx.connection.execute(
            text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ORDER_LOCK}
        )
    await tx.connection.execute(
        insert(audit).values(
            at=tx.now,
            actor=by.name,
            frontend=by.frontend,
            action=action,
            lease=lease,
            machine=machine,
            subject=subject[:_SUBJECT],
            detail=detail,
        )
    )


async def entries(tx: Transaction, *, lease: str | None, since: int, most: int) -> list[AuditEntry]:
    """Lines from number ``since`` on, oldest first; of one lease only, if given."""
    query = select(audit).where(audit.c.number >= since).order_by(audit.c.number).limit(most)
    if lease is not None:
        query = query.where(audit.c.lease == lease)
    return [AuditEntry(**row._mapping) for row in await tx.connection.execute(query)]


async def forget(tx: Transaction, before: datetime) -> None:
    """Remove lines that are older."""
    await tx.connection.execute(delete(audit).where(audit.c.at < before))
