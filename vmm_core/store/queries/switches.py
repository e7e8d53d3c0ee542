"""Queries on operators' switches. Each takes an open transaction and commits nothing."""

from __future__ import annotations

from sqlalchemy import delete, select

from ...model import Switch
from ..engine import Transaction, upsert
from ..tables import switches


async def many(tx: Transaction) -> tuple[Switch, ...]:
    """All that are set, in the order of their names."""
    query = select(switches).order_by(switches.c.kind, switches.c.name)
    return tuple(Switch(**row._mapping) for row in await tx.connection.execute(query))


async def put(tx: Transaction, kind: str, name: str, state: str, by: str, reason: str) -> None:
    """Set a switch, or set it anew."""
    values = {"state": state, "by": by, "reason": reason, "since": tx.now}
    await tx.connection.execute(
        upsert(tx)(switches)
        .values(kind=kind, name=name, **values)
        .on_conflict_do_update(index_elements=[switches.c.kind, switches.c.name], set_=values)
    )


async def remove(tx: Transaction, kind: str, name: str) -> None:
    """Take a switch away, if it is set."""
    await tx.connection.execute(
        delete(switches).where(switches.c.kind == kind, switches.c.name == name)
    )
