"""Queries on leases and their events. Each takes an open transaction and commits nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal

from sqlalchemy import Row, and_, delete, func, insert, or_, select, update

from ...allocation.explain import says_behind
from ...allocation.rules import Rules
from ...model import Explanation, Lease, LeaseEvent, LeaseState, Machine, MachineState, Needs
from .. import tables
from ..engine import Transaction
from ..records import Binding, Waiting
from ..tables import lease_events, leases
from . import lifetimes, machines, members
from .among import among
from .claims import serve

Decide = Rules
"""By which machines are given out."""

Stage = Literal[
    "requested",
    "claimed",
    "waiting",
    "binding",
    "ready",
    "refused",
    "released",
    "warning",
    "extended",
    "restored",
]


async def one(tx: Transaction, lease_id: str) -> Lease | None:
    """The lease with its machine, if the ledger has it."""
    row = (await tx.connection.execute(select(leases).where(leases.c.id == lease_id))).first()
    return await _with_machine(tx, row)


async def live(tx: Transaction, frontend: str, owner: str, key: str) -> Lease | None:
    """The lease of an idempotency key that has not ended."""
    return next(iter((await live_many(tx, {(frontend, owner, key)})).values()), None)


async def live_many(
    tx: Transaction, keys: Collection[tuple[str, str, str]]
) -> dict[tuple[str, str, str], Lease]:
    """The leases of idempotency keys (frontend, owner, key) that have not ended."""
    query = select(leases).where(
        among(tx, leases.c.frontend, {frontend for frontend, _, _ in keys}),
        among(tx, leases.c.owner, {owner for _, owner, _ in keys}),
        among(tx, leases.c.key, {key for _, _, key in keys}),
        leases.c.ended_at.is_(None),
    )
    rows = [
        row
        for row in await tx.connection.execute(query)
        if (row.frontend, row.owner, row.key) in keys
    ]
    theirs = await machines.some(tx, [row.machine for row in rows if row.machine])
    return {(row.frontend, row.owner, row.key): _noun(row, theirs) for row in rows}


async def many(
    tx: Transaction, *, owner: str | None = None, ended: bool = False, held: bool = False
) -> list[Lease]:
    """Leases, oldest first; those that ended only if ``ended``, or ``held``: only such."""
    query = select(leases).order_by(leases.c.created_at, leases.c.id)
    if owner is not None:
        query = query.where(leases.c.owner == owner)
    if held:
        kept = select(tables.machines.c.id).where(tables.machines.c.state == MachineState.HELD)
        query = query.where(leases.c.machine.in_(kept))
    elif not ended:
        query = query.where(leases.c.ended_at.is_(None))
    rows = (await tx.connection.execute(query)).all()
    theirs = await machines.some(tx, [row.machine for row in rows if row.machine])
    return [_noun(row, theirs) for row in rows]


async def waiting(tx: Transaction) -> list[Waiting]:
    """Leases that wait for a machine, oldest first."""
    query = (
        select(
            *(leases.c.id, leases.c.needs, leases.c.created_at),
            *(leases.c.explanation, leases.c.groups, leases.c.reservation),
        )
        .where(leases.c.state == LeaseState.WAITING)
        .order_by(leases.c.created_at, leases.c.id)
    )
    return [
        Waiting(
            row.id,
            Needs.model_validate(row.needs),
            row.created_at,
            row.explanation.get("trouble", ""),
            row.explanation.get("held", ""),
            tuple(row.groups),
            row.reservation,
            says_behind(row.explanation.get("summary", "")),
            row.explanation.get("summary", ""),
        )
        for row in await tx.connection.execute(query)
    ]


async def vacate(tx: Transaction, machine_id: str, rules: Rules) -> bool:
    """Make a machine vacant and serve who waits; False if it cannot be vacant."""
    if not await machines.move(tx, machine_id, MachineState.VACANT):
        return False
    await serve(tx, rules)
    return True


async def explain(tx: Transaction, lease_id: str, explanation: Explanation) -> None:
    """Tell a lease that waits what it waits for now; one that has ended or a machine is left."""
    done = await tx.connection.execute(
        update(leases)
        .where(leases.c.id == lease_id, leases.c.state == LeaseState.WAITING)
        .values(explanation=explanation.model_dump(mode="json"))
    )
    if done.rowcount:
        await tell(tx, lease_id, "waiting", 5, explanation.summary)


async def wait_again(tx: Transaction, lease_id: str, explanation: Explanation) -> bool:
    """Take the machine from a lease, which waits for another one."""
    done = await tx.connection.execute(
        update(leases)
        .where(leases.c.id == lease_id, leases.c.state == LeaseState.ACQUIRED)
        .values(
            state=LeaseState.WAITING,
            machine=None,
            claimed_at=None,
            ends_at=None,
            warned_at=None,
            extensions=0,  # they were of the end that it had
            explanation=explanation.model_dump(mode="json"),
        )
    )
    return done.rowcount == 1


async def waits_since(tx: Transaction, lease_id: str) -> datetime:
    """Since when a lease waits; one whose machine was of no use, since it lost that."""
    of_it = lease_events.c.lease == lease_id
    query = select(func.max(lease_events.c.number)).where(of_it, lease_events.c.stage == "claimed")
    claimed = (await tx.connection.execute(query)).scalar()
    query = select(func.min(lease_events.c.at)).where(
        of_it, lease_events.c.stage == "waiting", lease_events.c.number > (claimed or 0)
    )
    since: datetime | None = (await tx.connection.execute(query)).scalar()
    return since or tx.now


async def end(
    tx: Transaction,
    lease_id: str,
    state: LeaseState,
    stage: Stage,
    message: str,
    *,
    settled: bool = True,
    kept_until: datetime | None = None,
) -> bool:
    """End a lease that lasts, and let its machine go; whether it was this call that did.

    ``settled`` says that no session of the lease runs any more; one that never had any
    is. What was used is kept until ``kept_until``, so that the lease can be taken back.
    """
    row = (
        await tx.connection.execute(
            update(leases)
            .where(leases.c.id == lease_id, leases.c.ended_at.is_(None))
            .values(state=state, ended_at=tx.now)
            .returning(leases.c.machine, leases.c.session_sha256)
        )
    ).first()
    if row is None:
        return False
    await members.end(tx, lease_id)
    if row.machine is not None:
        used = row.session_sha256 is not None
        message += await machines.let_go(
            tx,
            row.machine,
            message,
            settled=settled or not used,
            used=used,
            kept_until=kept_until,
        )
        if settled:
            await lifetimes.session_over(tx, row.machine)
    await tell(tx, lease_id, stage, 100, message)
    return True


async def tell(tx: Transaction, lease_id: str, stage: Stage, percent: int, message: str) -> None:
    """Add an event to a lease."""
    number = (
        await tx.connection.execute(
            update(leases)
            .where(leases.c.id == lease_id)
            .values(events=leases.c.events + 1)
            .returning(leases.c.events)
        )
    ).scalar_one() - 1
    await tx.connection.execute(
        insert(lease_events).values(
            lease=lease_id, number=number, at=tx.now, stage=stage, percent=percent, message=message
        )
    )
    tx.told.add(lease_id)


async def events(tx: Transaction, lease_id: str, since: int) -> list[LeaseEvent]:
    """The events of a lease from number ``since`` on."""
    query = (
        select(lease_events)
        .where(lease_events.c.lease == lease_id, lease_events.c.number >= since)
        .order_by(lease_events.c.number)
    )
    return [LeaseEvent(**row._mapping) for row in await tx.connection.execute(query)]


async def forget(tx: Transaction, before: datetime) -> None:
    """Remove leases that ended before a time, with their events, unless their machine is held."""
    there = select(tables.machines.c.id).where(tables.machines.c.state != MachineState.DELETED)
    old = and_(
        leases.c.ended_at < before, or_(leases.c.machine.is_(None), leases.c.machine.not_in(there))
    )
    ids = select(leases.c.id).where(old)
    await tx.connection.execute(delete(lease_events).where(lease_events.c.lease.in_(ids)))
    await tx.connection.execute(delete(leases).where(old))


async def binding(tx: Transaction, lease_id: str) -> Binding | None:
    """What the lease is bound to, if it is."""
    query = select(leases.c.session_sha256, leases.c.handover_port).where(leases.c.id == lease_id)
    row = (await tx.connection.execute(query)).first()
    if row is None or row.session_sha256 is None:
        return None
    return Binding(row.session_sha256, row.handover_port)


async def bind(tx: Transaction, lease_id: str, machine_id: str, bound: Binding) -> bool:
    """Remember what a lease was bound to, if it still holds that machine."""
    done = await tx.connection.execute(
        update(leases)
        .where(
            leases.c.id == lease_id,
            leases.c.machine == machine_id,
            leases.c.state == LeaseState.ACQUIRED,
        )
        .values(session_sha256=bound.session_sha256, handover_port=bound.port)
    )
    return done.rowcount == 1


async def holder(tx: Transaction, machine_id: str) -> str | None:
    """The lease that holds a machine now."""
    query = select(leases.c.id).where(leases.c.machine == machine_id, leases.c.ended_at.is_(None))
    row = (await tx.connection.execute(query)).first()
    return row.id if row else None


async def last(tx: Transaction, machine_id: str) -> str | None:
    """The lease that a machine was for, also after its end; a machine has one in its life."""
    query = select(leases.c.id).where(leases.c.machine == machine_id)
    found: str | None = (await tx.connection.execute(query)).scalar()
    return found


async def _with_machine(tx: Transaction, row: Row[tuple[object, ...]] | None) -> Lease | None:
    if row is None:
        return None
    held = row._mapping["machine"]
    return _noun(row, await machines.some(tx, [held] if held else []))


def _noun(row: Row[tuple[object, ...]], held: Mapping[str, Machine]) -> Lease:
    values = dict(row._mapping)
    kept = {name: values[name] for name in Lease.model_fields if name not in ("machine", "queue")}
    return Lease(**kept, machine=held.get(values["machine"]))


async def groups(tx: Transaction, lease_id: str) -> tuple[str, ...]:
    """The groups of a lease's owner, as they were told when it was asked for."""
    query = select(leases.c.groups).where(leases.c.id == lease_id)
    return tuple((await tx.connection.execute(query)).scalar() or ())
