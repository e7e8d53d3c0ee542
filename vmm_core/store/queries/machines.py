"""Queries on machines. Each takes an open transaction and commits nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
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
    select,
    update,
)

from ...allocation.facts import BOOTING, Counts
from ...model import Machine
from ...model import MachineState as S
from ..engine import Transaction
from ..states import FROM
from ..tables import leases, machines

Ranking = Sequence[tuple[str, str]]
"""Pools by name with the fingerprint of what they build now, best first."""


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
    if to is S.VACANT:
        values["vacant_at"] = tx.now
    done = await tx.connection.execute(
        update(machines)
        .where(machines.c.id == machine_id, machines.c.state.in_(FROM[to] & set(only_from)))
        .values(state=to, reason=reason, changed_at=tx.now, **values)
    )
    return done.rowcount == 1


async def let_go(tx: Transaction, machine_id: str, reason: str, *, settled: bool) -> str:
    """Have a machine deleted whose lease ended, or hold it; what it holds of its user's.

    It is held while it holds something, and until its session has ended (``settled``).
    """
    query = select(machines.c.holding).where(machines.c.id == machine_id)
    holding = str((await tx.connection.execute(query)).scalar() or "")
    if settled and not holding:
        await move(tx, machine_id, S.DELETING, reason=reason)
        return ""
    why = holding or f"its session has not ended yet ({reason})"
    held = await move(tx, machine_id, S.HELD, reason=why)
    return holding if held else ""


async def settle(tx: Transaction, machine_id: str) -> bool:
    """Have a held machine deleted whose session ended, if it holds nothing."""
    done = await tx.connection.execute(
        update(machines)
        .where(machines.c.id == machine_id, machines.c.state == S.HELD, machines.c.holding == "")
        .values(state=S.DELETING, reason="its session ended", changed_at=tx.now)
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
            .values(agent_ready_at=tx.now)
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


async def claim(tx: Transaction, ranking: Ranking) -> Machine | None:
    """Take the best vacant machine of the ranked pools, in one statement.

    Within a pool, machines built from what the catalogue says now come first,
    then the one that has been vacant longest.
    """
    if not ranking:
        return None
    place = case({pool: number for number, (pool, _) in enumerate(ranking)}, value=machines.c.pool)
    current = case(dict(ranking), value=machines.c.pool)
    best = (
        select(machines.c.id)
        .where(machines.c.pool.in_([pool for pool, _ in ranking]), machines.c.state == S.VACANT)
        .order_by(
            place,
            case((machines.c.fingerprint == current, 0), else_=1),
            machines.c.vacant_at,
            machines.c.id,
        )
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    row = (
        await tx.connection.execute(
            update(machines)
            .where(machines.c.id == best, machines.c.state == S.VACANT)
            .values(state=S.ACQUIRED, reason="", changed_at=tx.now)
            .returning(machines.c.id)
        )
    ).first()
    return await one(tx, row.id) if row else None


async def counts(tx: Transaction) -> dict[str, Counts]:
    """How many machines of each pool are vacant and on their way."""
    query = (
        select(machines.c.pool, machines.c.state, func.count().label("number"))
        .where(machines.c.state.in_({S.VACANT} | BOOTING))
        .group_by(machines.c.pool, machines.c.state)
    )
    free: dict[str, int] = defaultdict(int)
    booting: dict[str, int] = defaultdict(int)
    for row in await tx.connection.execute(query):
        (free if row.state == S.VACANT else booting)[row.pool] += row.number
    return {pool: Counts(free[pool], booting[pool]) for pool in {*free, *booting}}


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
    tx: Transaction, machine_id: str, token_sha256: str, reconnect_sha256: str
) -> Machine | None:
    """Exchange the one-time token for a reconnect token; None if it is wrong or used."""
    done = await tx.connection.execute(
        update(machines)
        .where(
            machines.c.id == machine_id,
            machines.c.enrolment_sha256 == token_sha256,
            machines.c.state.in_(BOOTING),
        )
        .values(enrolment_sha256=None, reconnect_sha256=reconnect_sha256)
    )
    return await one(tx, machine_id) if done.rowcount == 1 else None


async def reconnect(tx: Transaction, machine_id: str, reconnect_sha256: str) -> Machine | None:
    """The machine of a reconnect token; None if it is wrong or the machine is on its way out."""
    query = select(machines.c.id).where(
        machines.c.id == machine_id,
        machines.c.reconnect_sha256 == reconnect_sha256,
        machines.c.state.in_(BOOTING | {S.VACANT, S.ACQUIRED, S.HELD}),
    )
    found = (await tx.connection.execute(query)).first()
    return await one(tx, machine_id) if found else None
