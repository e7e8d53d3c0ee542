"""Queries on how long leases last, and on machines kept after them. They commit nothing."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, or_, select, update

from ...lifetimes.rules import Term
from ...model import LeaseState, Machine
from ...model import MachineState as S
from ..engine import Transaction
from ..records import Kept
from ..tables import leases, machines
from .among import among


async def lock(tx: Transaction, lease_id: str) -> bool:
    """Let nobody else change the lease until the transaction ends; whether there is one."""
    query = select(leases.c.id).where(leases.c.id == lease_id).with_for_update()
    return (await tx.connection.execute(query)).first() is not None


async def term(tx: Transaction, lease_id: str) -> Term | None:
    """What is known of a lease that has a machine, also after its end."""
    row = (await tx.connection.execute(_terms().where(leases.c.id == lease_id))).first()
    return _term(row) if row else None


async def terms(
    tx: Transaction, ending_before: datetime, quiet: Collection[str] = ()
) -> list[Term]:
    """Leases that hold a machine and end before a time, or whose machine is ``quiet``."""
    query = _terms().where(
        leases.c.state == LeaseState.ACQUIRED,
        or_(leases.c.ends_at <= ending_before, among(tx, leases.c.machine, quiet)),
    )
    return [_term(row) for row in await tx.connection.execute(query)]


async def note(tx: Transaction, lease_id: str, **values: object) -> None:
    """Set columns of a lease."""
    await tx.connection.execute(update(leases).where(leases.c.id == lease_id).values(**values))


async def active(tx: Transaction, machine_id: str, what: str) -> None:
    """Note that the user of a leased machine was seen at work now."""
    await tx.connection.execute(
        update(machines)
        .where(machines.c.id == machine_id, machines.c.state == S.ACQUIRED)
        .values(active_at=tx.now, activity=what)
    )


async def kept(tx: Transaction) -> list[Kept]:
    """Machines that are held after a lease, and those that were taken back after that."""
    held = and_(machines.c.state == S.HELD, machines.c.console.is_(None))
    back = and_(machines.c.state == S.ACQUIRED, machines.c.kept_until.is_not(None))
    query = (
        select(
            machines.c.id,
            leases.c.id.label("lease"),
            leases.c.session_sha256,
            machines.c.holding,
            machines.c.agent_ready_at,
            machines.c.ports,
        )
        .select_from(machines.join(leases, leases.c.machine == machines.c.id))
        .where(or_(held, back))
    )
    return [
        Kept(
            machine=row.id,
            lease=row.lease,
            settled=row.session_sha256 is None,
            holding=row.holding,
            awake=row.agent_ready_at is not None,
            ports={int(port): dialled for port, dialled in row.ports.items()},
        )
        for row in await tx.connection.execute(query)
    ]


async def session_over(tx: Transaction, machine_id: str) -> None:
    """Note that no session of a lease that has ended runs on its machine any more."""
    await tx.connection.execute(
        update(leases)
        .where(leases.c.machine == machine_id, leases.c.ended_at.is_not(None))
        .values(session_sha256=None, handover_port=None)
    )


async def take_back(
    tx: Transaction, lease_id: str, machine: Machine, ends_at: datetime | None, extensions: int
) -> bool:
    """Let an ended lease hold its machine again; False if that is not held any more."""
    done = await tx.connection.execute(
        update(machines)
        .where(machines.c.id == machine.id, machines.c.state == S.HELD)
        .values(
            state=S.ACQUIRED,
            reason="",
            changed_at=tx.now,
            active_at=tx.now,
            activity="its lease was taken back",
            agent_ready_at=None,
        )
    )
    if done.rowcount != 1:
        return False
    await note(
        tx,
        lease_id,
        state=LeaseState.ACQUIRED,
        ended_at=None,
        ends_at=ends_at,
        extensions=extensions,
        warned_at=None,
        session_sha256=None,
        handover_port=None,
    )
    return True


async def awake(tx: Transaction, machine_id: str) -> bool:
    """Note that a machine that was taken back answers; False if that was known."""
    done = await tx.connection.execute(
        update(machines)
        .where(
            machines.c.id == machine_id,
            machines.c.state == S.ACQUIRED,
            machines.c.agent_ready_at.is_(None),
        )
        .values(agent_ready_at=tx.now)
    )
    return done.rowcount == 1


def _terms() -> Select[Any]:
    return select(
        leases.c.id,
        leases.c.machine,
        leases.c.group,
        leases.c.claimed_at,
        leases.c.created_at,
        leases.c.ends_at,
        leases.c.extensions,
        leases.c.warned_at,
        machines.c.environment,
        machines.c.active_at,
    ).select_from(leases.join(machines, machines.c.id == leases.c.machine))


def _term(row: Row[Any]) -> Term:
    return Term(
        lease=row.id,
        machine=row.machine,
        group=row.group,
        environment=row.environment,
        since=row.claimed_at or row.created_at,
        ends_at=row.ends_at,
        extensions=row.extensions,
        warned_at=row.warned_at,
        active_at=row.active_at,
    )
