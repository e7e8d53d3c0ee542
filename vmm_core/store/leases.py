"""What is done with leases' rows; each method is one transaction."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..errors import Conflict, Impossible, NotFound
from ..model import Explanation, Lease, LeaseEvent, LeaseState, MachineState, Needs
from .queries import leases, machines
from .queries.leases import Decide, Stage
from .records import Binding
from .transactions import Rows


class LeaseRows(Rows):
    """The leases of the ledger, with their events."""

    async def request(
        self, *, owner: str, frontend: str, key: str, needs: Needs, decide: Decide
    ) -> Lease:
        """The lease of the key, which is made and served now if it does not last already.

        Raises:
            Impossible: no pool can ever serve it; nothing was written.
        """
        async with self._transactions.write() as tx:
            found = await leases.live(tx, frontend, owner, key)
            if found is not None:
                return found
            decision = decide(needs, await machines.counts(tx))
            if not decision.possible:
                raise Impossible(decision.impossible())
            lease = Lease(
                id=f"l-{uuid.uuid4().hex[:16]}",
                owner=owner,
                frontend=frontend,
                key=key,
                needs=needs,
                state=LeaseState.WAITING,
                explanation=decision.waiting(),
                created_at=tx.now,
            )
            if await leases.add(tx, lease):
                await leases.tell(tx, lease.id, "requested", 0, f"{owner} asked for a machine")
                await leases.serve(tx, decide)
                made = await leases.one(tx, lease.id)
                if made is not None and made.state is LeaseState.WAITING:
                    await leases.tell(tx, lease.id, "waiting", 5, lease.explanation.summary)
            else:
                made = await leases.live(tx, frontend, owner, key)
        if made is None:
            raise Conflict(f"the lease of key {key!r} ended as it was asked for: ask again")
        return made

    async def serve(self, decide: Decide) -> int:
        """Give vacant machines to waiting leases, oldest first; how many were served."""
        async with self._transactions.write() as tx:
            return await leases.serve(tx, decide)

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

    async def end(self, lease_id: str, message: str, *, settled: bool = True) -> bool:
        """Release a lease. False if it had ended before.

        Its machine goes to deleting, or is held: while it holds something of its
        user's, or its session may still run (not ``settled``).
        """
        async with self._transactions.write() as tx:
            return await leases.end(
                tx, lease_id, LeaseState.RELEASED, "released", message, settled=settled
            )

    async def refuse(self, lease_id: str, message: str) -> bool:
        """End a lease that still waits; False if it does not wait any more."""
        async with self._transactions.write() as tx:
            lease = await leases.one(tx, lease_id)
            if lease is None or lease.state is not LeaseState.WAITING:
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
            lease = await leases.one(tx, lease_id)
            if lease is not None and lease.machine and lease.machine.id == machine_id:
                decision = decide(lease.needs, await machines.counts(tx))
                if await leases.wait_again(tx, lease_id, decision.waiting()):
                    await machines.move(tx, machine_id, MachineState.FAILED, reason=reason)
                    await leases.tell(
                        tx, lease_id, "waiting", 5, "the machine did not answer: taking another"
                    )
                    await leases.serve(tx, decide)
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
