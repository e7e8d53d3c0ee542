"""Queries for a frontend that knows numbers only. Each takes an open transaction.

A number is given out at the first question for it and never again to another
name, so that one who comes with an old number gets what it meant or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update

from ..engine import Transaction, upsert
from ..tables import leases, topcat_ids


async def numbers(tx: Transaction, kind: str, names: Sequence[str]) -> dict[str, int]:
    """The number of each name, which gets one if it has none."""
    of_kind = topcat_ids.c.kind == kind
    query = select(topcat_ids.c.name, topcat_ids.c.number).where(
        of_kind, topcat_ids.c.name.in_(names)
    )
    found = {row.name: row.number for row in await tx.connection.execute(query)}
    missing = [name for name in dict.fromkeys(names) if name not in found]
    for name in missing:
        await tx.connection.execute(
            upsert(tx)(topcat_ids).values(kind=kind, name=name).on_conflict_do_nothing()
        )
    if missing:
        found = {row.name: row.number for row in await tx.connection.execute(query)}
    return found


async def name(tx: Transaction, kind: str, number: int) -> str | None:
    """What a number stands for."""
    query = select(topcat_ids.c.name).where(
        topcat_ids.c.kind == kind, topcat_ids.c.number == number
    )
    return (await tx.connection.execute(query)).scalar_one_or_none()


async def hand_over(tx: Transaction, lease_id: str, placeholder: str, owner: str) -> bool:
    """Make a lease its user's, who was not known before; whether that is news."""
    done = await tx.connection.execute(
        update(leases)
        .where(leases.c.id == lease_id, leases.c.owner == placeholder, leases.c.ended_at.is_(None))
        .values(owner=owner)
    )
    return done.rowcount == 1
