"""Queries on what leases are bound to. Each takes an open transaction and commits nothing.

The session's hash is written when a bind begins, the port when the session
answers: so any replica can go on with what another one began.
"""

from __future__ import annotations

from sqlalchemy import select, update

from ...model import LeaseState
from ..engine import Transaction
from ..records import Binding
from ..tables import leases


async def begin(tx: Transaction, lease_id: str, session_sha256: str) -> Binding | None:
    """Remember the session that a lease is to be bound to, if there is none.

    Returns:
        What the lease is bound to, or is being bound to; None if it has ended.
    """
    lasts = (leases.c.id == lease_id, leases.c.ended_at.is_(None))
    await tx.connection.execute(
        update(leases)
        .where(*lasts, leases.c.session_sha256.is_(None), leases.c.state == LeaseState.ACQUIRED)
        .values(session_sha256=session_sha256, handover_port=None)
    )
    query = select(leases.c.session_sha256, leases.c.handover_port).where(*lasts)
    row = (await tx.connection.execute(query)).first()
    if row is None or row.session_sha256 is None:
        return None
    return Binding(row.session_sha256, row.handover_port)


async def forget(tx: Transaction, lease_id: str) -> None:
    """Bind the lease to nothing."""
    await tx.connection.execute(
        update(leases)
        .where(leases.c.id == lease_id)
        .values(session_sha256=None, handover_port=None)
    )


async def answers(tx: Transaction, lease_id: str, machine_id: str, port: int) -> bool:
    """Note where the session of a lease that is being bound answers; whether that is news."""
    done = await tx.connection.execute(
        update(leases)
        .where(
            leases.c.id == lease_id,
            leases.c.machine == machine_id,
            leases.c.state == LeaseState.ACQUIRED,
            leases.c.session_sha256.is_not(None),
            leases.c.handover_port.is_(None),
        )
        .values(handover_port=port)
    )
    return done.rowcount == 1
