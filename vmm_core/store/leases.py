"""What is done with leases' rows; each method is one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from ..allocation.queue import standings
from ..errors import NotFound, Unavailable, VmmError
from ..model import Explanation, Lease, LeaseEvent, LeaseState, MachineState
from .claims import Asked, Line, Request, answer, line_of
from .engine import of_one_row
from .queries import audit, claims, leases, machines
from .queries.leases import Decide, Stage
from .queries.usage import usage
from .records import Actor, Binding
from .transactions import Rows

_log = logging.getLogger(__name__)


class LeaseRows(Rows):
    """The leases of the ledger, with their events."""

    async def answer(self, requests: Sequence[Request], decide: Decide) -> list[Asked | VmmError]:
        """For each request, in their order, its lease or why it has none: one transaction.

        A request that cannot be decided at all disturbs the others as little as one that is
        refused: then each has a transaction of its own.

        Raises:
            Exception: the database is away, or the only request cannot be decided.
        """
        try:
            async with self._transactions.write() as tx:
                return await answer(tx, decide, requests)
        except Exception as error:
            if len(requests) == 1 or not of_one_row(error):
                raise
        return [await self._alone(request, decide) for request in requests]

    async def serve(self, decide: Decide) -> int:
        """Give vacant machines to waiting leases, in fair order; how many were served."""
        async with self._transactions.write() as tx:
            return await claims.serve(tx, decide)

    async def explain_all(self, decide: Decide) -> None:
        """Tell those who wait when what keeps them from a machine comes, goes, or changes.

        Who was told that others come first is told when nobody does any more, and not at
        each that is served: where one stands is told to who asks.
        """
        news = []
        async with self._transactions.read() as tx:
            told = {each.lease: each for each in await leases.waiting(tx)}
            if not told:
                return
            asks, counts = await claims.waiting(tx), await machines.counts(tx)
            used = await usage(tx, decide, asks)
            for each in standings(asks, decide, counts, used, tx.now):
                decision = decide(each.ask.needs, counts, each.ask.groups)
                why = decision.waiting(each.held, each.place - 1, each.of_group)
                was = told.get(each.ask.lease)
                if was is None:
                    continue
                first = was.behind and each.place == 1
                # In trouble, what was on its way may have been the last for long.
                other = bool(why.trouble) and not was.summary.startswith(
                    decision.waiting(each.held).summary
                )
                if first or other or (why.trouble, why.held) != (was.trouble, was.held):
                    news.append((each.ask.lease, why))
        if news:
            async with self._transactions.write() as tx:
                for lease_id, why in news:
                    await leases.explain(tx, lease_id, why)

    async def line(self, decide: Decide) -> Line:
        """Everything that queue places and estimates are made of, as one state."""
        async with self._transactions.read() as tx:
            return await line_of(tx, decide)

    async def get(self, lease_id: str) -> Lease:
        """One lease.

        Raises:
            NotFound: there never was such a lease.
        """
        async with self._transactions.read() as tx:
            found = await leases.one(tx, lease_id)
        if found is None:
            raise NotFound(f"there is no lease {lease_id!r}: `vmm leases` lists yours")
        return found

    async def all(
        self, *, owner: str | None = None, ended: bool = False, held: bool = False
    ) -> list[Lease]:
        """Leases, oldest first; those that ended only if ``ended``.

        ``held``: instead, those of which the machine is kept for what is on it only.
        """
        async with self._transactions.read() as tx:
            return await leases.many(tx, owner=owner, ended=ended, held=held)

    async def holder_of(self, machine_id: str) -> str | None:
        """The lease that holds a machine now."""
        async with self._transactions.read() as tx:
            return await leases.holder(tx, machine_id)

    async def last_of(self, machine_id: str) -> str | None:
        """The lease that a machine was for, also after its end."""
        async with self._transactions.read() as tx:
            return await leases.last(tx, machine_id)

    async def end(
        self,
        lease_id: str,
        message: str,
        *,
        settled: bool = True,
        kept_until: datetime | None = None,
        by: Actor | None = None,
    ) -> bool:
        """Release a lease. False if it had ended before.

        Its machine goes to deleting, or is held: while it holds something of its
        user's, or its session may still run (not ``settled``), or until ``kept_until``.
        ``by``: who else than its owner did it, for the audit log.
        """
        async with self._transactions.write() as tx:
            ended = await leases.end(
                tx,
                lease_id,
                LeaseState.RELEASED,
                "released",
                message,
                settled=settled,
                kept_until=kept_until,
            )
            if ended and by is not None:
                await audit.note(tx, by, "release", lease=lease_id)
            return ended

    async def refuse(
        self, lease_id: str, message: str, *, waits_for: timedelta = timedelta(0)
    ) -> bool:
        """End a lease that still waits, for so long at least; False if it does not (any more)."""
        async with self._transactions.write() as tx:
            lease = await leases.one(tx, lease_id)
            if lease is None or lease.state is not LeaseState.WAITING:
                return False
            if waits_for and tx.now - await leases.waits_since(tx, lease_id) < waits_for:
                return False
            return await leases.end(tx, lease_id, LeaseState.REFUSED, "refused", message)

    async def explain(self, lease_id: str, explanation: Explanation) -> None:
        """Tell a lease that waits what it waits for now."""
        async with self._transactions.write() as tx:
            await leases.explain(tx, lease_id, explanation)

    async def replace_machine(
        self, lease_id: str, machine_id: str, *, reason: str, decide: Decide
    ) -> Lease:
        """Fail a lease's machine and give it another, or let it wait for one."""
        async with self._transactions.write() as tx:
            await tx.alone()  # before any row: who is alone waits for rows
            lease = await leases.one(tx, lease_id)
            if lease is not None and lease.machine and lease.machine.id == machine_id:
                groups = await leases.groups(tx, lease_id)
                decision = decide(lease.needs, await machines.counts(tx), groups)
                if await leases.wait_again(tx, lease_id, decision.waiting()):
                    await machines.move(tx, machine_id, MachineState.FAILED, reason=reason)
                    await leases.tell(
                        tx, lease_id, "waiting", 5, "the machine did not answer: taking another"
                    )
                    await claims.serve(tx, decide)
        return await self.get(lease_id)

    async def tell(self, lease_id: str, stage: Stage, percent: int, message: str) -> None:
        """Add an event to a lease."""
        async with self._transactions.write() as tx:
            await leases.tell(tx, lease_id, stage, percent, message)

    async def events(self, lease_id: str, since: int = 0) -> list[LeaseEvent]:
        """The events of a lease from number ``since`` on."""
        async with self._transactions.read() as tx:
            return await leases.events(tx, lease_id, since)

    @asynccontextmanager
    async def following(self, lease_id: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the lease got one in this process."""
        async with self._transactions.following(lease_id) as told:
            yield told

    async def binding(self, lease_id: str) -> Binding | None:
        """What a lease is bound to, if it is."""
        async with self._transactions.read() as tx:
            return await leases.binding(tx, lease_id)

    async def bound(self, lease_id: str, machine_id: str, binding: Binding, message: str) -> bool:
        """Note that a lease's session answers; False if the lease lost the machine meanwhile."""
        async with self._transactions.write() as tx:
            if not await leases.bind(tx, lease_id, machine_id, binding):
                return False
            await leases.tell(tx, lease_id, "ready", 100, message)
            return True

    async def _alone(self, request: Request, decide: Decide) -> Asked | VmmError:
        """The answer to one request whose batch failed."""
        try:
            (found,) = await self.answer([request], decide)
        except Exception:
            _log.exception("the request %s of %s failed", request.key, request.owner)
            return Unavailable(
                "the request could not be decided, the service's log says why: try again later"
            )
        return found
