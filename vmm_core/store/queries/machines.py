"""Queries on machines. Each takes an open transaction and commits nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import (
    Row,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from ...allocation.facts import BOOTING, Counts
from ...lifetimes.rules import clock
from ...model import Machine
from ...model import MachineState as S
from ..engine import Transaction
from ..states import FROM
from ..tables import leases, machines


def _selected() -> Select[tuple[object, ...]]:
    """Machines with the lease that holds each now."""
    live = and_(leases.c.machine == machines.c.id, leases.c.ended_at.is_(None))
    return select(*machines.c, leases.c.id.label("lease")).select_from(
        machines.outerjoin(leases, live)
    )


def noun(row: Row[tuple[object, ...]]) -> Machine:
    """The machine of a row of :func:`_selected`."""
    values = row._mapping
    return Machine(**{field: values[field] for field in Machine.model_fields})


async def one(tx: Transaction, machine_id: str) -> Machine | None:
    """The machine, if the ledger has it."""
    row = (await tx.connection.execute(_selected().where(machines.c.id == machine_id))).first()
    return noun(row) if row else None


async def some(tx: Transaction, machine_ids: Collection[str]) -> dict[str, Machine]:
    """Machines by id, also those that are gone."""
    if not machine_ids:
        return {}
    rows = await tx.connection.execute(_selected().where(machines.c.id.in_(machine_ids)))
    return {machine.id: machine for machine in map(noun, rows)}


async def many(tx: Transaction, *, pool: str | None = None, deleted: bool = False) -> list[Machine]:
    """Machines, oldest first; those that are gone only if ``deleted``."""
    query = _selected().order_by(machines.c.created_at, machines.c.id)
    if pool is not None:
        query = query.where(machines.c.pool == pool)
    if not deleted:
        query = query.where(machines.c.state != S.DELETED)
    return [noun(row) for row in await tx.connection.execute(query)]


async def held(tx: Transaction) -> list[Machine]:
    """Machines that are held, oldest first, but for failed ones that are kept."""
    query = (
        _selected()
        .where(machines.c.state == S.HELD, machines.c.console.is_(None))
        .order_by(machines.c.created_at, machines.c.id)
    )
    return [noun(row) for row in await tx.connection.execute(query)]


async def add(tx: Transaction, machine: Machine, enrolment_sha256: str) -> None:
    """Write a machine that is about to be asked for."""
    values = machine.model_dump(mode="json", include={"size", "ports"})
    plain = machine.model_dump(exclude={"lease", "size", "ports"})
    await tx.connection.execute(
        insert(machines).values(**plain, **values, enrolment_sha256=enrolment_sha256)
    )


async def move(
    tx: Transaction,
    machine_id: str,
    to: S,
    *,
    reason: str = "",
    only_from: Collection[S] = tuple(S),
    **values: object,
) -> bool:
    """Change a machine's state if that is legal from where it is, and in ``only_from``."""
    if to is S.VACANT:  # what was resumed has been so before
        values["vacant_at"] = func.coalesce(machines.c.vacant_at, tx.now)
    done = await tx.connection.execute(
        update(machines)
        .where(machines.c.id == machine_id, machines.c.state.in_(FROM[to] & set(only_from)))
        .values(state=to, reason=reason, changed_at=tx.now, **values)
    )
    return done.rowcount == 1


async def let_go(
    tx: Transaction,
    machine_id: str,
    reason: str,
    *,
    settled: bool,
    used: bool = True,
    kept_until: datetime | None = None,
) -> str:
    """Have a machine deleted whose lease ended, or hold it; what to add to the reason.

    It is held while it holds something of its user's, until its session has ended
    (``settled``), and until ``kept_until`` if it ever was ``used``.
    """
    query = select(machines.c.holding, machines.c.kept_until).where(machines.c.id == machine_id)
    row = (await tx.connection.execute(query)).first()
    holding = str(row.holding) if row else ""
    if not used and (row is None or row.kept_until is None):
        kept_until = None
    if settled and not holding and kept_until is None:
        await move(tx, machine_id, S.DELETING, reason=reason, kept_until=None)
        return ""
    why = holding or f"its session has not ended yet ({reason})"
    if settled and not holding:
        why = f"its lease can be taken back ({reason})"
    if not await move(tx, machine_id, S.HELD, reason=why, kept_until=kept_until):
        return ""
    if kept_until is not None:
        return f"; it can be taken back until {clock(kept_until)}"
    return f"; the machine is kept for now: {holding}" if holding else ""


async def settle(tx: Transaction, machine_id: str) -> bool:
    """Have a held machine deleted whose session ended, if it holds nothing and its time is over."""
    held = (
        machines.c.id == machine_id,
        machines.c.state == S.HELD,
        machines.c.holding == "",
        machines.c.console.is_(None),
    )
    over = or_(machines.c.kept_until.is_(None), machines.c.kept_until <= tx.now)
    done = await tx.connection.execute(
        update(machines)
        .where(*held, over)
        .values(state=S.DELETING, reason="its session ended", changed_at=tx.now)
    )
    if done.rowcount == 0:
        await tx.connection.execute(
            update(machines).where(*held, ~over).values(reason="its lease can be taken back")
        )
    return done.rowcount == 1


async def hold(tx: Transaction, machine_id: str, holding: str) -> None:
    """Note what of its user's is on a machine and nowhere else; empty: nothing any more."""
    await tx.connection.execute(
        update(machines)
        .where(machines.c.id == machine_id)
        .values(
            holding=holding,
            reason=case(
                (and_(machines.c.state == S.HELD, literal(holding != "")), holding),
                else_=machines.c.reason,
            ),
        )
    )


async def note(tx: Transaction, machine_id: str, **values: object) -> None:
    """Set columns that are no state."""
    await tx.connection.execute(
        update(machines).where(machines.c.id == machine_id).values(**values)
    )


async def isolate(tx: Transaction, machine_id: str, isolation: str) -> None:
    """Note what a cloud says separates the machine, unless its agent said so itself."""
    await tx.connection.execute(
        update(machines)
        .where(machines.c.id == machine_id, machines.c.isolation == "")
        .values(isolation=isolation)
    )


async def agent_is_ready(tx: Transaction, machine_id: str) -> bool:
    """Remember that the agent said so; whether the machine can be vacant now."""
    row = (
        await tx.connection.execute(
            update(machines)
            .where(machines.c.id == machine_id, machines.c.state.in_(BOOTING))
            .values(agent_ready_at=tx.now, enrolment_sha256=None)
            .returning(machines.c.address, machines.c.state)
        )
    ).first()
    return row is not None and row.address is not None and row.state != S.REQUESTED


async def agent_was_ready(tx: Transaction, machine_id: str) -> bool:
    """Whether the agent has said so and an address is known."""
    query = select(machines.c.id).where(
        machines.c.id == machine_id,
        machines.c.agent_ready_at.is_not(None),
        machines.c.address.is_not(None),
    )
    return (await tx.connection.execute(query)).first() is not None


async def claim(tx: Transaction, pool: str, fingerprint: str, number: int) -> list[Machine]:
    """Take so many vacant machines of a pool, in one statement; fewer if there are fewer.

    Those built from what the catalogue says now (``fingerprint``) come first, then those
    that have been vacant longest. What somebody else is changing is left to them.
    """
    order = (
        case((machines.c.fingerprint == fingerprint, 0), else_=1),
        machines.c.vacant_at,
        machines.c.id,
    )
    best = (
        select(machines.c.id)
        .where(machines.c.pool == pool, machines.c.state == S.VACANT)
        .order_by(*order)
        .limit(number)
        .with_for_update(skip_locked=True)
        .cte("best")  # once: a subquery may be run again for each row, and lock more
    )
    rows = await tx.connection.execute(
        update(machines)
        .where(machines.c.id.in_(select(best.c.id)), machines.c.state == S.VACANT)
        .values(state=S.ACQUIRED, reason="", changed_at=tx.now)
        .returning(*_NOUN, machines.c.vacant_at)
    )
    taken = sorted(rows, key=lambda row: (row.fingerprint != fingerprint, row.vacant_at, row.id))
    return [noun(row) for row in taken]


_NOUN = tuple(
    literal(None).label("lease") if name == "lease" else machines.c[name]
    for name in Machine.model_fields
)
"""What a machine's noun is made of, of one that nobody leases."""


async def counts(tx: Transaction) -> dict[str, Counts]:
    """How many machines of each pool are vacant, on their way, and suspended."""
    query = (
        select(machines.c.pool, machines.c.state, func.count().label("number"))
        .where(machines.c.state.in_({S.VACANT, S.SUSPENDED} | BOOTING))
        .group_by(machines.c.pool, machines.c.state)
    )
    found: dict[str, Counter[S]] = defaultdict(Counter)
    for row in await tx.connection.execute(query):
        found[row.pool][S(row.state)] += row.number
    return {
        pool: Counts(
            free=states[S.VACANT],
            booting=sum(states[state] for state in BOOTING),
            suspended=states[S.SUSPENDED],
        )
        for pool, states in found.items()
    }


async def boot_times_s(tx: Transaction, newest: int = 200) -> Mapping[str, list[float]]:
    """For each pool, how long its newest machines took from asked for to vacant."""
    query = (
        select(machines.c.pool, machines.c.created_at, machines.c.vacant_at)
        .where(machines.c.vacant_at.is_not(None))
        .order_by(machines.c.created_at.desc())
        .limit(newest)
    )
    times: dict[str, list[float]] = defaultdict(list)
    for row in await tx.connection.execute(query):
        times[row.pool].append((row.vacant_at - row.created_at).total_seconds())
    return times


async def forget(tx: Transaction, before: datetime) -> None:
    """Remove machines that were deleted before a time and that no lease names any more."""
    named = exists().where(leases.c.machine == machines.c.id)
    await tx.connection.execute(
        delete(machines).where(
            machines.c.state == S.DELETED, machines.c.changed_at < before, ~named
        )
    )


async def enrol(
    tx: Transaction,
    machine_id: str,
    token_sha256: str,
    reconnect_sha256: str,
    replica_id: str | None = None,
) -> Machine | None:
    """Exchange the one-time token for a reconnect token; None if it is wrong or used.

    With a replica, the agent is connected to it from now on, and the token is used once the
    agent says something or comes back: should the replica be killed before its answer is
    there, the agent enrols again. Meanwhile nobody else does, as long as it is connected.
    """
    conditions = [machines.c.replica.is_(None)] if replica_id is not None else []
    done = await tx.connection.execute(
        update(machines)
        .where(
            machines.c.id == machine_id,
            machines.c.enrolment_sha256 == token_sha256,
            machines.c.state.in_(BOOTING),
            *conditions,
        )
        .values(
            enrolment_sha256=None if replica_id is None else token_sha256,
            reconnect_sha256=reconnect_sha256,
            replica=replica_id,
        )
    )
    return await one(tx, machine_id) if done.rowcount == 1 else None


async def reconnect(tx: Transaction, machine_id: str, reconnect_sha256: str) -> Machine | None:
    """The machine of a reconnect token; None if it is wrong or the machine is on its way out."""
    query = select(machines.c.id).where(
        machines.c.id == machine_id,
        machines.c.reconnect_sha256 == reconnect_sha256,
        machines.c.state.in_(BOOTING | {S.VACANT, S.SUSPENDED, S.ACQUIRED, S.HELD}),
    )
    found = (await tx.connection.execute(query)).first()
    return await one(tx, machine_id) if found else None


async def tally(tx: Transaction) -> list[tuple[str, str, S, int]]:
    """How many machines there are of each pool, location and state; deleted ones not."""
    query = (
        select(machines.c.pool, machines.c.location, machines.c.state, func.count())
        .where(machines.c.state.in_([state for state in S if state is not S.DELETED]))
        .group_by(machines.c.pool, machines.c.location, machines.c.state)
    )
    rows = await tx.connection.execute(query)
    return [(pool, location, S(state), number) for pool, location, state, number in rows]


async def console(tx: Transaction, machine_id: str) -> str | None:
    """What was kept of a machine's console; None if nothing was."""
    query = select(machines.c.console).where(machines.c.id == machine_id)
    found: str | None = (await tx.connection.execute(query)).scalar()
    return found
