"""Longer leases beside bookings: what is booked is not lent longer to somebody else. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ..allocation.bookings import Taken, booked
from ..allocation.facts import PoolFacts
from ..errors import Conflict
from ..model import Lease, Reservation
from .rules import clock


def extended(lease: Lease, end: datetime, facts: Sequence[PoolFacts], taken: Taken) -> None:
    """Refuse an extension that takes a machine from a booking.

    Args:
        lease: holds a machine and has an end.
        end: when it would end.
        facts: the pools.
        taken: what is booked, and until when leases have machines, this one too.

    Raises:
        Conflict: with when the lease ends, and why.
    """
    now_ends = f"it ends at {clock(lease.ends_at)}" if lease.ends_at else "it has no end"
    own = _own(lease, taken)
    if own is not None:
        if end > own.ends_at:
            raise Conflict(
                f"lease {lease.id} is part of a reservation until {clock(own.ends_at)} "
                f"and {now_ends}: save your work by then"
            )
        return
    if from_then := _closed(lease, end, facts, taken, lease.ends_at):
        raise Conflict(
            f"lease {lease.id} cannot be extended, machines like its own are booked from "
            f"{clock(from_then)} on, and {now_ends}: save your work by then"
        )


def restored(
    lease: Lease,
    end: datetime | None,
    kept_until: datetime,
    facts: Sequence[PoolFacts],
    taken: Taken,
) -> datetime | None:
    """When a lease ends that is taken back, if it would end at ``end`` without any booking.

    Its machine counts as somebody's until ``kept_until``; it can have that time at least.

    Raises:
        Conflict: its booking has no machine left, or there is no such time left.
    """
    own = _own(lease, taken)
    if own is not None:
        if own.used >= own.machines:
            raise Conflict(
                f"all machines of the reservation of lease {lease.id} are in use: "
                "restore it when another one is released"
            )
        return min(end or own.ends_at, own.ends_at)
    if end is not None and end <= kept_until:
        return end
    if from_then := _closed(lease, end, facts, taken, kept_until):
        if kept_until <= taken.now:
            raise Conflict(
                f"lease {lease.id} cannot be taken back, machines like its own are booked from "
                f"{clock(from_then)} on: acquire again"
            )
        return kept_until
    return end


def _own(lease: Lease, taken: Taken) -> Reservation | None:
    return next((each for each in taken.reservations if each.id == lease.reservation), None)


def _closed(
    lease: Lease,
    end: datetime | None,
    facts: Sequence[PoolFacts],
    taken: Taken,
    counted: datetime | None,
) -> datetime | None:
    """From when on the lease's pool has no machine for it until ``end``; None: it has."""
    pool = lease.machine.pool if lease.machine else ""
    held = list(taken.held_until.get(pool, ()))
    if counted in held:
        held.remove(counted)  # its own
    others = replace(taken, held_until={**taken.held_until, pool: held})
    mine = [each for each in facts if each.name == pool]
    if not booked(mine, others, end):
        return None
    return min(max(each.starts_at, taken.now) for each in taken.reservations if each.pool == pool)
