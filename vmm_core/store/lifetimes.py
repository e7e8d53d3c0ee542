"""How long leases last, and how they are taken back; each method is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from ..allocation.facts import PoolFacts
from ..allocation.limits import NOTHING, exceeded, holdup, limit_of, of_size, refusal
from ..allocation.queue import Ask
from ..allocation.rules import Rules
from ..errors import Conflict, LimitReached, NotFound
from ..lifetimes import beside
from ..lifetimes.rules import End, Term, Warn, clock, extended, fitting, kept_until, restored
from ..model import Lease, LeaseState, Lifetime, Machine, MachineState
from .engine import Transaction
from .queries import audit, leases, lifetimes, machines, reservations
from .queries.usage import usage
from .records import Actor, Kept
from .transactions import Rows

Judge = Callable[[Term, datetime], Warn | End | None]
"""What is due for a lease at a time: pure."""


class LifetimeRows(Rows):
    """The time of leases."""

    async def terms(self, ending_before: datetime, quiet: Collection[str] = ()) -> list[Term]:
        """Leases that hold a machine and end before a time, or whose machine is ``quiet``."""
        async with self._transactions.read() as tx:
            return await lifetimes.terms(tx, ending_before, quiet)

    async def act(
        self, lease_id: str, judge: Judge, rules: Sequence[Lifetime]
    ) -> Warn | End | None:
        """Warn or end a lease if that is due now, as it is now; what was done."""
        async with self._transactions.write() as tx:
            await lifetimes.lock(tx, lease_id)
            lease = await leases.one(tx, lease_id)
            term = await lifetimes.term(tx, lease_id)
            if lease is None or term is None or lease.state is not LeaseState.ACQUIRED:
                return None
            due = judge(term, tx.now)
            if isinstance(due, Warn):
                await lifetimes.note(tx, lease_id, warned_at=tx.now)
                await leases.tell(tx, lease_id, "warning", 100, due.message)
            elif isinstance(due, End):
                await leases.end(
                    tx,
                    lease_id,
                    LeaseState.RELEASED,
                    "released",
                    due.message,
                    settled=False,
                    kept_until=kept_until(rules, term.group, term.environment, tx.now),
                )
            return due

    async def extend(
        self,
        lease_id: str,
        by: Actor,
        rules: Sequence[Lifetime],
        facts: Sequence[PoolFacts],
        *,
        hours: float | None = None,
    ) -> Lease:
        """Let a lease end later.

        Args:
            lease_id: which.
            by: who wants it.
            rules: the catalogue's lifetimes.
            facts: the pools.
            hours: an operator's, beyond any rule.

        Raises:
            NotFound: there never was such a lease.
            Conflict: it has ended or waits, the rule allows no more, or its machine is booked.
        """
        async with self._transactions.write() as tx:
            await tx.alone()
            lease = await _locked(tx, lease_id)
            if lease.ended_at is not None:
                raise Conflict(f"lease {lease_id} has ended: {_what_now(lease, tx.now)}")
            term = await lifetimes.term(tx, lease_id)
            if term is None:
                raise Conflict(f"lease {lease_id} still waits for a machine: its time begins then")
            end = extended(term, fitting(rules, term.group, term.environment), tx.now, hours=hours)
            beside.extended(lease, end, facts, await reservations.taken(tx))
            counted = lease.extensions + (1 if hours is None else 0)
            await lifetimes.note(tx, lease_id, ends_at=end, extensions=counted, warned_at=None)
            await lifetimes.active(tx, term.machine, "its lease was extended")
            await leases.tell(tx, lease_id, "extended", 100, f"extended: it ends at {clock(end)}")
            await audit.note(
                tx, by, "extend", lease=lease_id, machine=term.machine, detail=f"until {clock(end)}"
            )
            return await _locked(tx, lease_id)

    async def restore(
        self,
        lease_id: str,
        by: Actor,
        rules: Sequence[Lifetime],
        limits: Rules,
        *,
        operator: bool = False,
    ) -> Lease:
        """Take a lease back that has ended, with its machine. One that lasts is returned.

        Raises:
            NotFound: there never was such a lease.
            Conflict: its machine is not kept any more, its session still ends, or another
                lease has its key.
            LimitReached: its owner has enough.
        """
        async with self._transactions.write() as tx:
            await tx.alone()
            lease = await _locked(tx, lease_id)
            if lease.ended_at is None:
                return lease
            machine = lease.machine
            if machine is None or machine.state is not MachineState.HELD or not machine.kept_until:
                raise Conflict(
                    f"lease {lease_id} cannot be taken back, its machine is gone: acquire again"
                )
            if machine.kept_until <= tx.now and not operator:
                raise Conflict(
                    f"lease {lease_id} could be taken back until {clock(machine.kept_until)}: "
                    "acquire again"
                )
            if await leases.binding(tx, lease_id) is not None:
                raise Conflict(
                    f"the session of lease {lease_id} is still being ended: try again in a moment"
                )
            other = await leases.live(tx, lease.frontend, lease.owner, lease.key)
            if other is not None:
                raise Conflict(
                    f"lease {other.id} was acquired in place of {lease_id}: release it first"
                )
            if not operator:
                await _within_limits(tx, limits, lease, machine)
            term = await lifetimes.term(tx, lease_id)
            assert term is not None  # noqa: S101 - it has a machine
            end = restored(
                term, fitting(rules, term.group, term.environment), tx.now, operator=operator
            )
            taken = await reservations.taken(tx)
            counted = lease.extensions + (1 if end != lease.ends_at else 0)
            end = beside.restored(lease, end, machine.kept_until, limits.facts, taken)
            if not await lifetimes.take_back(tx, lease_id, machine, end, counted):
                raise Conflict(
                    f"lease {lease_id} cannot be taken back, its machine is gone: acquire again"
                )
            until = f", it ends at {clock(end)}" if end else ""
            await leases.tell(
                tx, lease_id, "restored", 10, f"taken back{until}: {machine.id} is being woken"
            )
            await audit.note(tx, by, "restore", lease=lease_id, machine=machine.id)
            return await _locked(tx, lease_id)

    async def remove(self, machine_id: str, reason: str, by: Actor | None = None) -> bool:
        """Have a machine deleted that nobody leases; False if it is leased or goes already."""
        free = set(MachineState) - {
            MachineState.ACQUIRED,
            MachineState.DELETING,
            MachineState.DELETED,
        }
        async with self._transactions.write() as tx:
            lease_id = await leases.last(tx, machine_id)
            removed = await machines.move(
                tx, machine_id, MachineState.DELETING, reason=reason, only_from=free
            )
            if removed and by is not None:
                await audit.note(tx, by, "delete", machine=machine_id, lease=lease_id)
            return removed

    async def active(self, machine_id: str, what: str) -> None:
        """Note that the user of a leased machine was seen at work now, by ``what``."""
        async with self._transactions.write() as tx:
            await lifetimes.active(tx, machine_id, what)

    async def kept(self) -> dict[str, Kept]:
        """Machines that are held after a lease or were taken back, by name."""
        async with self._transactions.read() as tx:
            return {each.machine: each for each in await lifetimes.kept(tx)}

    async def moved(self, machine_id: str, address: str | None, ports: Mapping[int, int]) -> None:
        """Note where a machine that was taken back is now."""
        async with self._transactions.write() as tx:
            await machines.note(
                tx,
                machine_id,
                address=address,
                ports={str(port): dialled for port, dialled in ports.items()},
            )

    async def awake(self, kept: Kept) -> None:
        """Tell a lease that was taken back, once, that its machine answers and can be bound."""
        async with self._transactions.write() as tx:
            news = await lifetimes.awake(tx, kept.machine)
            if news and await leases.binding(tx, kept.lease) is None:
                await leases.tell(
                    tx, kept.lease, "restored", 20, f"{kept.machine} is awake: bind it"
                )


async def _locked(tx: Transaction, lease_id: str) -> Lease:
    await lifetimes.lock(tx, lease_id)
    found = await leases.one(tx, lease_id)
    if found is None:
        raise NotFound(f"there is no lease {lease_id!r}: `vmm leases` lists yours")
    return found


async def _within_limits(tx: Transaction, rules: Rules, lease: Lease, machine: Machine) -> None:
    """A lease that is taken back counts as a new one, and cannot wait.

    Raises:
        LimitReached: its owner, or its group, has as much as it may have.
    """
    groups = (lease.group,) if lease.group else ()
    ask = Ask(lease.id, lease.needs, lease.owner, groups, lease.created_at)
    used, more = await usage(tx, rules, [ask]), of_size(machine.size)
    own = limit_of(rules.limits, user=lease.owner)
    has = used.users.get(lease.owner, NOTHING) + used.waiting.get(lease.owner, NOTHING)
    if own and (name := exceeded(own, has, more)):
        raise LimitReached(refusal(own, name, has, more))
    theirs = limit_of(rules.limits, group=lease.group) if lease.group else None
    has = used.groups.get(lease.group, NOTHING)
    if theirs and (name := exceeded(theirs, has, more)):
        raise LimitReached(
            f"{holdup(theirs, name, has, lease.group)}: restore it when another one is released"
        )


def _what_now(lease: Lease, now: datetime) -> str:
    machine = lease.machine
    held = machine is not None and machine.state is MachineState.HELD
    if machine and held and machine.kept_until and machine.kept_until > now:
        return f"restore it until {clock(machine.kept_until)}, or acquire again"
    return "acquire again"
