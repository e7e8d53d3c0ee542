"""Queries of claims: who waits, and machines handed out to many at once.

Each takes a transaction that is alone (:meth:`Transaction.alone`) and commits nothing. However
many are served, the number of statements is the same, but for one for each pool.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, insert, select, update

from ...allocation.books import Books, nothing_booked
from ...allocation.facts import Counts
from ...allocation.handout import Grant, hand_out
from ...allocation.limits import Usage, of_size
from ...allocation.queue import Ask
from ...allocation.rules import Rules
from ...model import Explanation, Lease, LeaseState, Machine, Needs
from ..engine import Transaction
from ..tables import lease_events, leases
from . import machines, reservations
from .among import among
from .usage import usage

_TRIES = 4
"""Passes over the stock; a pool manager may take a machine away between two."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A machine that one got who waited."""

    grant: Grant
    machine: Machine

    @property
    def explanation(self) -> Explanation:
        """Why this one."""
        return self.grant.decision.claimed(self.machine.pool, self.machine.id)


async def waiting(tx: Transaction, books: Books | None = None) -> list[Ask]:
    """All who wait, oldest first; with their bookings, if given those that last."""
    books = books or nothing_booked(tx.now)
    query = (
        select(
            leases.c.id,
            leases.c.needs,
            leases.c.owner,
            leases.c.groups,
            leases.c.created_at,
            leases.c.reservation,
        )
        .where(leases.c.state == LeaseState.WAITING)
        .order_by(leases.c.created_at, leases.c.id)
    )
    return [
        Ask(
            row.id,
            Needs.model_validate(row.needs),
            row.owner,
            tuple(row.groups),
            row.created_at,
            books.of(row.reservation),
        )
        for row in await tx.connection.execute(query)
    ]


async def claim(
    tx: Transaction,
    rules: Rules,
    asks: Iterable[Ask],
    counts: Mapping[str, Counts],
    used: Usage,
    books: Books,
    *,
    new: Collection[str] = (),
) -> list[Claim]:
    """Take machines for those who ask, in fair order, and note those that waited before.

    Args:
        tx: the transaction.
        rules: by which it is decided.
        asks: all who wait, and those who are new.
        counts: what is vacant.
        used: what is in use; it gets what is claimed.
        books: what is booked; it gets what is claimed, too.
        new: leases among the asks that are not written yet.
    """
    claims: list[Claim] = []
    left, stock = {ask.lease: ask for ask in asks}, dict(counts)
    events: dict[str, int] = {}
    for _ in range(_TRIES):
        before, books_before = used.copy(), books.copy()
        grants = hand_out(left.values(), rules, stock, used, tx.now, books)
        older = [
            g.ask.lease for g in grants if g.ask.lease not in new and g.ask.lease not in events
        ]
        locked = await _lock(tx, older)
        events |= locked
        if gone := older - locked.keys():  # ended by somebody at this moment
            left = {lease: ask for lease, ask in left.items() if lease not in gone}
            used.restore(before)
            books = books_before
            continue
        taken = await _take(tx, grants)
        got, short = _matched(grants, taken)
        claims += got
        if not short:
            break
        used.restore(before)
        books = books_before
        for each in got:
            del left[each.grant.ask.lease]
            used.take(each.grant.ask.owner, each.grant.group, of_size(each.grant.facts.size))
            books.took(each.grant.ask, each.grant.facts, each.grant.ends_at)
            name = each.machine.pool
            stock[name] = replace(stock[name], free=stock[name].free - 1)
        for name in short:
            stock[name] = replace(stock[name], free=0)
    await _give(tx, [each for each in claims if each.grant.ask.lease in events], events)
    return claims


async def serve(tx: Transaction, rules: Rules) -> int:
    """Give vacant machines to waiting leases, in fair order; how many were served."""
    await tx.alone()
    counts = await machines.counts(tx)
    if not any(each.free for each in counts.values()):
        return 0
    books = Books(await reservations.taken(tx))
    asks = await waiting(tx, books)
    if not asks:
        return 0
    books.join(asks)
    return len(await claim(tx, rules, asks, counts, await usage(tx, rules, asks), books))


async def add(tx: Transaction, made: Sequence[tuple[Lease, Ask]]) -> None:
    """Write new leases, with or without a machine, and their first two events."""
    rows, told = [], []
    for lease, ask in made:
        rows.append(
            {
                **lease.model_dump(exclude={"machine", "queue", "needs", "explanation"}),
                "machine": lease.machine.id if lease.machine else None,
                "needs": lease.needs.model_dump(mode="json"),
                "explanation": lease.explanation.model_dump(mode="json"),
                "groups": list(ask.groups),
                "claimed_at": tx.now if lease.machine else None,
                "events": 2,
            }
        )
        told.append(_event(tx, lease.id, 0, "requested", 0, f"{lease.owner} asked for a machine"))
        if lease.machine:
            told.append(_claimed(tx, lease.id, 1, lease.machine, lease.explanation))
        else:
            told.append(_event(tx, lease.id, 1, "waiting", 5, lease.explanation.summary))
    if rows:
        await tx.connection.execute(insert(leases), rows)
        await tx.connection.execute(insert(lease_events), told)


async def _lock(tx: Transaction, lease_ids: Collection[str]) -> dict[str, int]:
    """Those of the leases that still wait and that nobody else changes, with their next event."""
    if not lease_ids:
        return {}
    query = (
        select(leases.c.id, leases.c.events)
        .where(among(tx, leases.c.id, lease_ids), leases.c.state == LeaseState.WAITING)
        .with_for_update(skip_locked=True)
    )
    return {row.id: row.events for row in await tx.connection.execute(query)}


async def _take(tx: Transaction, grants: Sequence[Grant]) -> dict[str, list[Machine]]:
    """As many machines of each pool as were granted, or as many as there are."""
    wanted: dict[str, list[Grant]] = defaultdict(list)
    for grant in grants:
        wanted[grant.facts.name].append(grant)
    return {
        pool: await machines.claim(tx, pool, theirs[0].facts.fingerprint, len(theirs))
        for pool, theirs in sorted(wanted.items())
    }


def _matched(
    grants: Sequence[Grant], taken: Mapping[str, list[Machine]]
) -> tuple[list[Claim], set[str]]:
    """Who got which, in the order of their turns; and pools that had fewer than they showed."""
    each_pool = {pool: iter(found) for pool, found in taken.items()}
    got, short = [], set()
    for grant in grants:
        machine = next(each_pool[grant.facts.name], None)
        if machine is None:
            short.add(grant.facts.name)
            continue
        got.append(Claim(grant, machine.model_copy(update={"lease": grant.ask.lease})))
    return got, short


async def _give(tx: Transaction, claims: Sequence[Claim], events: Mapping[str, int]) -> None:
    """Note the machines of leases that waited."""
    if not claims:
        return
    changed, told = [], []
    for each in claims:
        ask, machine, explanation = each.grant.ask, each.machine, each.explanation
        changed.append(
            {
                "this": ask.lease,
                "its_machine": machine.id,
                "its_group": each.grant.group,
                "why": explanation.model_dump(mode="json"),
                "until": each.grant.ends_at,
            }
        )
        told.append(_claimed(tx, ask.lease, events[ask.lease], machine, explanation))
    await tx.connection.execute(
        update(leases)
        .where(leases.c.id == bindparam("this"))
        .values(
            state=LeaseState.ACQUIRED,
            machine=bindparam("its_machine"),
            group=bindparam("its_group"),
            explanation=bindparam("why"),
            ends_at=bindparam("until"),
            claimed_at=tx.now,
            events=leases.c.events + 1,
        ),
        changed,
    )
    await tx.connection.execute(insert(lease_events), told)


def _claimed(
    tx: Transaction, lease_id: str, number: int, machine: Machine, explanation: Explanation
) -> dict[str, object]:
    why = f"{explanation.elsewhere}: " if explanation.elsewhere else ""
    got = f"{why}got {machine.id} at {machine.location}"
    return _event(tx, lease_id, number, "claimed", 20, got)


def _event(
    tx: Transaction, lease_id: str, number: int, stage: str, percent: int, message: str
) -> dict[str, object]:
    tx.told.add(lease_id)
    return {
        "lease": lease_id,
        "number": number,
        "at": tx.now,
        "stage": stage,
        "percent": percent,
        "message": message,
    }
