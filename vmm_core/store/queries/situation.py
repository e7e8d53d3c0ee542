"""Queries on how things stand, for operators: counts, and what needs a look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select

from ...model import LeaseState, Machine, MachineState
from ..engine import Transaction
from ..tables import leases, machines
from . import machines as queries


async def leased(tx: Transaction) -> int:
    """How many leases hold a machine."""
    query = select(func.count()).where(leases.c.state == LeaseState.ACQUIRED)
    return int((await tx.connection.execute(query)).scalar_one())


async def waiting_since(tx: Transaction) -> Sequence[datetime]:
    """Since when each lease waits that waits."""
    query = (
        select(leases.c.created_at)
        .where(leases.c.state == LeaseState.WAITING)
        .order_by(leases.c.created_at)
    )
    return (await tx.connection.execute(query)).scalars().all()


async def held(tx: Transaction) -> list[Machine]:
    """Machines that are kept for somebody to look at or to take back, oldest first."""
    query = select(machines.c.id).where(machines.c.state == MachineState.HELD)
    found = await queries.some(tx, (await tx.connection.execute(query)).scalars().all())
    return sorted(found.values(), key=lambda machine: (machine.changed_at, machine.id))
