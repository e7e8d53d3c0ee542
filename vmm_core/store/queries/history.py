"""Queries on how many requests came. Each takes an open transaction and commits nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, func, select

from ...model import Needs
from ..engine import Transaction, upsert
from ..records import Arrivals
from ..tables import arrivals, leases

Wanted = Callable[[Needs, Sequence[str]], str | None]
"""The pool that such needs of a member of such groups go to when all are ready."""

_UNTIL = ""
"""The pool of the one row that says until when requests were counted."""
_LATE = timedelta(minutes=1)
"""What was asked for in an hour is in the ledger this long after it."""
_AT_ONCE = timedelta(seconds=1)


async def gather(tx: Transaction, wanted: Wanted) -> datetime | None:
    """Count the requests of whole hours that were not counted yet; until when they are now.

    Requests for reserved machines are not counted. Doing it twice, or by several
    replicas at once, makes no difference.
    """
    until = _hour(tx.now - _LATE)
    begin = await counted_until(tx)
    if begin is None:
        first = await tx.connection.scalar(select(func.min(leases.c.created_at)))
        begin = _hour(first) if first is not None else until
    if begin < until:
        await _count(tx, wanted, begin, until)
    values = {"requests": 0, "served": 0}
    await tx.connection.execute(delete(arrivals).where(arrivals.c.pool == _UNTIL))
    await tx.connection.execute(
        upsert(tx)(arrivals)
        .values(pool=_UNTIL, hour=max(begin, until), **values)
        .on_conflict_do_nothing()
    )
    return max(begin, until)


async def counted_until(tx: Transaction) -> datetime | None:
    """The end of the last hour that was counted; None if none was."""
    query = select(func.max(arrivals.c.hour)).where(arrivals.c.pool == _UNTIL)
    found: datetime | None = await tx.connection.scalar(query)
    return found


async def since(tx: Transaction, begin: datetime) -> list[Arrivals]:
    """What came from a time on, by hours, oldest first; hours without requests are left out."""
    query = (
        select(arrivals)
        .where(arrivals.c.pool != _UNTIL, arrivals.c.hour >= begin)
        .order_by(arrivals.c.hour, arrivals.c.pool)
    )
    return [Arrivals(**row._mapping) for row in await tx.connection.execute(query)]


async def forget(tx: Transaction, before: datetime) -> None:
    """Remove hours before a time."""
    await tx.connection.execute(
        delete(arrivals).where(arrivals.c.pool != _UNTIL, arrivals.c.hour < before)
    )


async def _count(tx: Transaction, wanted: Wanted, begin: datetime, until: datetime) -> None:
    query = select(leases.c.needs, leases.c.groups, leases.c.created_at, leases.c.claimed_at).where(
        and_(
            leases.c.created_at >= begin,
            leases.c.created_at < until,
            leases.c.reservation.is_(None),
        )
    )
    requests: Counter[tuple[str, datetime]] = Counter()
    served: Counter[tuple[str, datetime]] = Counter()
    pools: dict[tuple[str, tuple[str, ...]], str | None] = {}
    for row in await tx.connection.execute(query):
        needs, groups = Needs.model_validate(row.needs), tuple(row.groups)
        kind = needs.model_dump_json(), groups
        if kind not in pools:
            pools[kind] = wanted(needs, groups)
        if (pool := pools[kind]) is None:
            continue
        requests[pool, _hour(row.created_at)] += 1
        if row.claimed_at is not None and row.claimed_at - row.created_at < _AT_ONCE:
            served[pool, _hour(row.created_at)] += 1
    if requests:
        rows = [
            {"pool": pool, "hour": hour, "requests": number, "served": served[pool, hour]}
            for (pool, hour), number in sorted(requests.items())
        ]
        await tx.connection.execute(upsert(tx)(arrivals).on_conflict_do_nothing(), rows)


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
