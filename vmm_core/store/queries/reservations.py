"""Queries on reservations. Each takes an open transaction and commits nothing."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from ...allocation.bookings import Taken
from ...model import LeaseState, MachineState, Reservation
from ..engine import Transaction
from ..tables import leases, machines, reservations


def _selected() -> Select[tuple[object, ...]]:
    """Reservations with the number of leases that each has now."""
    used = (
        select(func.count())
        .where(leases.c.reservation == reservations.c.id, leases.c.ended_at.is_(None))
        .scalar_subquery()
    )
    return select(*reservations.c, used.label("used")).order_by(
        reservations.c.starts_at, reservations.c.id
    )


def _noun(row: Row[tuple[object, ...]]) -> Reservation:
    return Reservation.model_validate(dict(row._mapping))


def _lasts(now: datetime) -> ColumnElement[bool]:
    return and_(reservations.c.cancelled_at.is_(None), reservations.c.ends_at > now)


async def one(tx: Transaction, reservation_id: str) -> Reservation | None:
    """The reservation, if the ledger has it."""
    query = _selected().where(reservations.c.id == reservation_id)
    row = (await tx.connection.execute(query)).first()
    return _noun(row) if row else None


async def of_key(tx: Transaction, frontend: str, owner: str, key: str) -> Reservation | None:
    """The reservation of an idempotency key."""
    query = _selected().where(
        reservations.c.frontend == frontend,
        reservations.c.owner == owner,
        reservations.c.key == key,
    )
    row = (await tx.connection.execute(query)).first()
    return _noun(row) if row else None


async def many(tx: Transaction, *, over: bool = False) -> list[Reservation]:
    """Reservations by their start; those that are over or cancelled only if ``over``."""
    query = _selected() if over else _selected().where(_lasts(tx.now))
    return [_noun(row) for row in await tx.connection.execute(query)]


async def add(tx: Transaction, reservation: Reservation) -> None:
    """Write a reservation."""
    values = reservation.model_dump(exclude={"needs", "used"})
    needs = reservation.needs.model_dump(mode="json")
    await tx.connection.execute(insert(reservations).values(**values, needs=needs))


async def cancel(tx: Transaction, reservation_id: str) -> bool:
    """Cancel one that is not over; False if it is, or was cancelled before."""
    done = await tx.connection.execute(
        update(reservations)
        .where(reservations.c.id == reservation_id, _lasts(tx.now))
        .values(cancelled_at=tx.now)
    )
    return done.rowcount == 1


async def taken(tx: Transaction) -> Taken:
    """What is booked, and until when leases have machines; cheap where nothing is booked."""
    lasting = await many(tx)
    return Taken(tx.now, lasting, await _held_until(tx) if lasting else {})


async def taken_for_booking(tx: Transaction) -> Taken:
    """The same where something is about to be booked."""
    return Taken(tx.now, await many(tx), await _held_until(tx))


async def _held_until(tx: Transaction) -> dict[str, list[datetime | None]]:
    """For each pool, until when each machine is somebody's that is of no reservation.

    What is kept after its lease counts until its user cannot take it back any more.
    """
    lasting = and_(leases.c.machine == machines.c.id, leases.c.state == LeaseState.ACQUIRED)
    booked = select(reservations.c.id).where(_lasts(tx.now))
    query = (
        select(machines.c.pool, machines.c.state, machines.c.kept_until, leases.c.ends_at)
        .select_from(machines.outerjoin(leases, lasting))
        .where(
            machines.c.state.in_((MachineState.ACQUIRED, MachineState.HELD)),
            or_(leases.c.reservation.is_(None), leases.c.reservation.not_in(booked)),
        )
    )
    found: dict[str, list[datetime | None]] = defaultdict(list)
    for row in await tx.connection.execute(query):
        held = row.state == MachineState.HELD
        found[row.pool].append((row.kept_until or tx.now) if held else row.ends_at)
    return found


async def forget(tx: Transaction, before: datetime) -> None:
    """Remove reservations that ended before a time and that no lease names any more."""
    named = exists().where(leases.c.reservation == reservations.c.id)
    await tx.connection.execute(delete(reservations).where(reservations.c.ends_at < before, ~named))
