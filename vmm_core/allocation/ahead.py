"""How many machines of a pool are free at a later time. Pure.

Two things take machines away: leases that last until then, and windows, which are
machines promised to somebody for a time (reservations are windows).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Window:
    """Machines of a pool that are promised from a time on until another."""

    pool: str
    machines: int
    starts_at: datetime
    ends_at: datetime


def free_ahead(
    capacity: int,
    held_until: Sequence[datetime | None],
    windows: Iterable[Window],
    start: datetime,
    end: datetime,
) -> int:
    """The fewest machines that are free at any moment from ``start`` on until ``end``.

    Args:
        capacity: machines that the pool can have.
        held_until: for each machine that is taken now, until when; None: no end is known.
        windows: of this pool.
        start: first moment.
        end: first moment after it; the same as ``start`` asks for that moment alone.
    """
    inside = [
        each
        for each in windows
        if each.starts_at <= start < each.ends_at or start < each.starts_at < end
    ]
    # What is held only becomes less, so the worst moments are where windows begin.
    moments = {start, *(max(each.starts_at, start) for each in inside)}

    def taken(at: datetime) -> int:
        held = sum(until is None or until > at for until in held_until)
        return held + sum(each.machines for each in inside if each.starts_at <= at < each.ends_at)

    return max(0, capacity - max(taken(at) for at in moments))
