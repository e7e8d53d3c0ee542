"""Queries on the members of leases. A grant is a row that is revoked, and never removed alone."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select, update

from ...model import Member, Role
from ..engine import Transaction
from ..tables import leases, members

_COLUMNS = [members.c[name] for name in Member.model_fields]


async def living(tx: Transaction, lease_id: str) -> list[Member]:
    """Who may enter a lease's machine now besides its owner, the first granted first."""
    query = (
        select(*_COLUMNS)
        .where(members.c.lease == lease_id, members.c.revoked_at.is_(None))
        .order_by(members.c.number)
    )
    return [Member(**row._mapping) for row in await tx.connection.execute(query)]


async def one(tx: Transaction, lease_id: str, user: str) -> Member | None:
    """The grant of a user on a lease, if it is in force."""
    found = [each for each in await living(tx, lease_id) if each.user == user]
    return found[0] if found else None


async def leases_of(tx: Transaction, user: str) -> set[str]:
    """The leases that a user is a member of now."""
    query = select(members.c.lease).where(members.c.user == user, members.c.revoked_at.is_(None))
    return set((await tx.connection.execute(query)).scalars())


async def add(tx: Transaction, lease_id: str, user: str, role: Role, by: str) -> None:
    """Grant a user a role."""
    await tx.connection.execute(
        insert(members).values(
            lease=lease_id, user=user, role=role, granted_by=by, granted_at=tx.now
        )
    )


async def revoke(tx: Transaction, lease_id: str, user: str) -> bool:
    """Take a grant back; whether there was one."""
    done = await tx.connection.execute(
        update(members)
        .where(members.c.lease == lease_id, members.c.user == user, members.c.revoked_at.is_(None))
        .values(revoked_at=tx.now)
    )
    return done.rowcount > 0


async def end(tx: Transaction, lease_id: str) -> None:
    """Take all grants on a lease back, whose time is over."""
    await tx.connection.execute(
        update(members)
        .where(members.c.lease == lease_id, members.c.revoked_at.is_(None))
        .values(revoked_at=tx.now)
    )


async def forget(tx: Transaction, before: datetime) -> None:
    """Remove the grants on leases that ended before a time."""
    old = select(leases.c.id).where(leases.c.ended_at < before)
    await tx.connection.execute(delete(members).where(members.c.lease.in_(old)))
