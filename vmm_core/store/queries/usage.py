"""The queries for what users and groups have now, which their limits are about."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from sqlalchemy import Text, cast, func, select

from ...allocation.limits import NOTHING, Amount, Usage, of_needs, of_size
from ...allocation.queue import Ask
from ...allocation.rules import Rules
from ...model import LeaseState, Needs, Size
from ..engine import Transaction
from ..tables import leases, machines
from .among import among


async def usage(tx: Transaction, rules: Rules, asks: Sequence[Ask]) -> Usage:
    """What is in use by those who ask and by all groups, as far as the rules look at it."""
    found = Usage()
    if any(ask.groups for ask in asks):
        found.groups = await _of_groups(tx)
    if rules.of_users:
        await _of_users(tx, found, {ask.owner for ask in asks})
    return found


async def _of_groups(tx: Transaction) -> dict[str, Amount]:
    """What the leases of each group hold."""
    query = (
        select(
            leases.c.group,
            func.count().label("number"),
            func.min(cast(machines.c.size, Text)).label("size"),
        )
        .join(machines, machines.c.id == leases.c.machine)
        .where(leases.c.state == LeaseState.ACQUIRED)
        .group_by(leases.c.group, machines.c.pool)  # of one size
    )
    found: dict[str, Amount] = {}
    for row in await tx.connection.execute(query):
        one = of_size(Size.model_validate(json.loads(row.size)))
        all_ = Amount(
            row.number, one.cpus * row.number, one.ram_gb * row.number, one.gpus * row.number
        )
        found[row.group] = found.get(row.group, NOTHING) + all_
    return found


async def _of_users(tx: Transaction, found: Usage, owners: Collection[str]) -> None:
    """What the leases of some users hold and ask for."""
    query = (
        select(leases.c.owner, leases.c.needs, machines.c.size)
        .outerjoin(machines, machines.c.id == leases.c.machine)
        .where(among(tx, leases.c.owner, owners), leases.c.ended_at.is_(None))
    )
    for row in await tx.connection.execute(query):
        if row.size is None:
            which, amount = found.waiting, of_needs(Needs.model_validate(row.needs))
        else:
            which, amount = found.users, of_size(Size.model_validate(row.size))
        which[row.owner] = which.get(row.owner, NOTHING) + amount
