"""Queries on the service's processes, and on which of them each agent is connected to."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import case, delete, func, select, update

from ..engine import Transaction, upsert
from ..records import Replica
from ..tables import machines, pool_locks, replicas


async def join(tx: Transaction, replica_id: str, url: str) -> None:
    """Write a replica's row."""
    seen = {"url": url, "seen_at": tx.now}
    await tx.connection.execute(
        upsert(tx)(replicas)
        .values(id=replica_id, started_at=tx.now, **seen)
        .on_conflict_do_update(index_elements=[replicas.c.id], set_=seen)
    )


async def beat(tx: Transaction, replica_id: str) -> bool:
    """Note that a replica lives; False if it was buried meanwhile."""
    done = await tx.connection.execute(
        update(replicas).where(replicas.c.id == replica_id).values(seen_at=tx.now)
    )
    return done.rowcount == 1


async def many(tx: Transaction) -> list[Replica]:
    """All that run, oldest first; one that was killed a moment ago may be among them."""
    rows = await tx.connection.execute(select(replicas).order_by(replicas.c.started_at))
    return [Replica(**row._mapping) for row in rows]


async def bury(tx: Transaction, *, seen_before: datetime) -> list[str]:
    """Take from replicas that are gone what they had; their ids.

    Their machines' agents count as lost since ``seen_before``, their pools are free.
    """
    query = delete(replicas).where(replicas.c.seen_at < seen_before).returning(replicas.c.id)
    gone = list((await tx.connection.execute(query)).scalars())
    for replica_id in gone:
        # However long nobody was there to see it: agents get their time to come back.
        await _inherit(tx, replica_id, seen_before)
    return gone


async def leave(tx: Transaction, replica_id: str) -> None:
    """Take from a replica that stops what it had."""
    await tx.connection.execute(delete(replicas).where(replicas.c.id == replica_id))
    await _inherit(tx, replica_id, tx.now)


async def sweep(tx: Transaction) -> int:
    """Take machines from replicas that have no row at all; how many."""
    known = select(replicas.c.id)
    done = await tx.connection.execute(
        update(machines)
        .where(machines.c.replica.is_not(None), machines.c.replica.not_in(known))
        .values(replica=None, agent_lost_at=tx.now)
    )
    return done.rowcount


async def alive(tx: Transaction, replica_id: str) -> bool:
    """Whether a replica has a row, which it keeps until this transaction ends.

    Whoever buries it meanwhile waits for us, and then takes what we gave it as well.
    """
    query = select(replicas.c.id).where(replicas.c.id == replica_id)
    found = await tx.connection.execute(query.with_for_update(read=True, key_share=True))
    return found.first() is not None


async def connect(tx: Transaction, machine_id: str, replica_id: str, **facts: str | None) -> bool:
    """The machine's agent is connected to this replica; False if that has been buried."""
    if not await alive(tx, replica_id):
        return False
    await tx.connection.execute(
        update(machines)
        .where(machines.c.id == machine_id)
        .values(replica=replica_id, agent_lost_at=None, **facts)
    )
    return True


async def take(tx: Transaction, machine_ids: Collection[str], replica_id: str) -> set[str]:
    """Connect those of the machines that no replica has; those that this one has by now."""
    free = select(machines.c.id).where(machines.c.id.in_(machine_ids), machines.c.replica.is_(None))
    for machine_id in (await tx.connection.execute(free.with_for_update())).scalars().all():
        await connect(tx, machine_id, replica_id)
    mine = select(machines.c.id).where(
        machines.c.id.in_(machine_ids), machines.c.replica == replica_id
    )
    return set((await tx.connection.execute(mine)).scalars())


async def disconnect(tx: Transaction, machine_id: str, replica_id: str) -> None:
    """The machine's agent went away from this replica; nothing if it is at another by now."""
    await tx.connection.execute(
        update(machines)
        .where(machines.c.id == machine_id, machines.c.replica == replica_id)
        .values(replica=None, agent_lost_at=tx.now)
    )


async def lost(tx: Transaction, machine_id: str) -> None:
    """Remember since when the machine's agent is away, if it is not known."""
    await tx.connection.execute(
        update(machines)
        .where(machines.c.id == machine_id)
        .values(
            replica=None,
            agent_lost_at=case(
                (machines.c.agent_lost_at.is_(None), tx.now), else_=machines.c.agent_lost_at
            ),
        )
    )


async def of_machine(tx: Transaction, machine_id: str) -> Replica | None:
    """The replica that the machine's agent is connected to."""
    query = (
        select(*replicas.c)
        .join(machines, machines.c.replica == replicas.c.id)
        .where(machines.c.id == machine_id)
    )
    row = (await tx.connection.execute(query)).first()
    return Replica(**row._mapping) if row else None


async def ahead_s(tx: Transaction) -> float:
    """By how many seconds our clock is ahead of the database's; SQLite has ours."""
    if tx.connection.dialect.name != "postgresql":
        return 0.0
    theirs = (await tx.connection.execute(select(func.clock_timestamp()))).scalar_one()
    return float((tx.now - theirs).total_seconds())


async def _inherit(tx: Transaction, replica_id: str, lost_at: datetime) -> None:
    await tx.connection.execute(
        update(machines)
        .where(machines.c.replica == replica_id)
        .values(replica=None, agent_lost_at=lost_at)
    )
    await tx.connection.execute(delete(pool_locks).where(pool_locks.c.holder == replica_id))
