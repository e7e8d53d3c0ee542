"""The store: each public method is one transaction.

Followers of a lease (:meth:`Store.changed`) are woken after a commit of this
process; changes of other processes they find by looking again.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from ..errors import Conflict, Impossible, NotFound
from ..model import (
    Explanation,
    Lease,
    LeaseEvent,
    LeaseState,
    Machine,
    MachineState,
    Needs,
)
from . import bookkeeping, leases, machines
from .engine import Clock, Database, Transaction, utc_now
from .leases import Decide, Stage
from .records import Backoff, Binding, Ledger


class Store:
    """The ledger in a database, ``sqlite+aiosqlite:///…`` or ``postgresql+asyncpg://…``."""

    def __init__(self, url: str, *, clock: Clock = utc_now) -> None:
        self.now = clock
        self._database = Database(url, clock)
        self._followers: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._installation = ""

    @property
    def installation(self) -> str:
        """The name under which this installation tags its machines; known once open."""
        return self._installation

    async def open(self) -> None:
        """Connect and migrate.

        Raises:
            Unavailable: the database cannot be used, with the remedy.
        """
        await self._database.open()
        async with self.write() as tx:
            self._installation = await bookkeeping.installation_id(tx)

    async def close(self) -> None:
        """Close all connections."""
        await self._database.close()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """A transaction that commits at the end of the block; followers hear of it then."""
        async with self._database.write() as tx:
            yield tx
        for lease_id in tx.told:
            for follower in self._followers.get(lease_id, ()):
                follower.set()

    # Machines

    async def machine(self, machine_id: str) -> Machine:
        """One machine.

        Raises:
            NotFound: the ledger never had it.
        """
        async with self._database.read() as tx:
            found = await machines.one(tx, machine_id)
        if found is None:
            raise NotFound(f"there is no machine {machine_id!r}: `vmm machines` lists them")
        return found

    async def machines(self, *, pool: str | None = None, deleted: bool = False) -> list[Machine]:
        """Machines, oldest first; those that are gone only if ``deleted``."""
        async with self._database.read() as tx:
            return await machines.many(tx, pool=pool, deleted=deleted)

    async def add_machine(self, machine: Machine, *, enrolment_sha256: str) -> None:
        """Write a machine before its cloud is asked for it."""
        async with self.write() as tx:
            await machines.add(tx, machine, enrolment_sha256)

    async def move_machine(
        self,
        machine_id: str,
        to: MachineState,
        *,
        reason: str,
        only_from: Collection[MachineState] = tuple(MachineState),
    ) -> bool:
        """Change a machine's state; False if that is not legal from where it is now."""
        async with self.write() as tx:
            return await machines.move(tx, machine_id, to, reason=reason, only_from=only_from)

    async def explain_machine(self, machine_id: str, reason: str) -> None:
        """Note why a machine stays in its state."""
        async with self.write() as tx:
            await machines.note(tx, machine_id, reason=reason, changed_at=tx.now)

    async def hold(self, machine_id: str, holding: str) -> None:
        """Note what of its user's is on a machine and nowhere else; empty: nothing any more."""
        async with self.write() as tx:
            await machines.hold(tx, machine_id, holding)

    async def settle(self, machine_id: str) -> bool:
        """Have a held machine deleted whose session ended; False if it is kept, or not held."""
        async with self.write() as tx:
            return await machines.settle(tx, machine_id)

    async def last_lease(self, machine_id: str) -> str | None:
        """The lease that a machine was for, also after its end."""
        async with self._database.read() as tx:
            return await leases.last(tx, machine_id)

    async def enrol(
        self, machine_id: str, token_sha256: str, reconnect_sha256: str
    ) -> Machine | None:
        """Exchange a one-time token for a reconnect token; None if it is wrong or used."""
        async with self.write() as tx:
            return await machines.enrol(tx, machine_id, token_sha256, reconnect_sha256)

    async def reconnect(self, machine_id: str, reconnect_sha256: str) -> Machine | None:
        """The machine of a reconnect token; None if it is wrong or the machine must go."""
        async with self._database.read() as tx:
            return await machines.reconnect(tx, machine_id, reconnect_sha256)

    async def set_machine_facts(self, machine_id: str, *, root: str, isolation: str) -> None:
        """What the agent says of its machine; an empty isolation leaves the cloud's word."""
        facts = {"root": root, "isolation": isolation} if isolation else {"root": root}
        async with self.write() as tx:
            await machines.note(tx, machine_id, **facts)

    async def observe(
        self,
        machine_id: str,
        *,
        cloud_id: str,
        running: bool,
        address: str | None,
        ports: Mapping[int, int],
        isolation: str,
        decide: Decide,
    ) -> bool:
        """Note what a cloud says of a machine it made; whether it is vacant by that.

        A machine becomes vacant when its address is known and its agent is ready.
        """
        async with self.write() as tx:
            await machines.note(
                tx,
                machine_id,
                cloud_id=cloud_id,
                address=address,
                ports={str(port): dialled for port, dialled in ports.items()},
            )
            if isolation:
                await machines.isolate(tx, machine_id, isolation)
            await machines.move(tx, machine_id, MachineState.BUILDING)
            if running:
                await machines.move(tx, machine_id, MachineState.PROVISIONED)
            if not await machines.agent_was_ready(tx, machine_id):
                return False
            return await self._vacate(tx, machine_id, decide)

    async def agent_ready(self, machine_id: str, decide: Decide) -> bool:
        """Note that a machine's agent is ready; whether the machine is vacant by that."""
        async with self.write() as tx:
            if not await machines.agent_is_ready(tx, machine_id):
                return False
            return await self._vacate(tx, machine_id, decide)

    async def boot_times_s(self) -> Mapping[str, list[float]]:
        """For each pool, how long its newest machines took from asked for to vacant."""
        async with self._database.read() as tx:
            return await machines.boot_times_s(tx)

    # Leases

    async def request(
        self, *, owner: str, frontend: str, key: str, needs: Needs, decide: Decide
    ) -> Lease:
        """The lease of the key, which is made and served now if it does not last already.

        Raises:
            Impossible: no pool can ever serve it; nothing was written.
        """
        async with self.write() as tx:
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
        async with self.write() as tx:
            return await leases.serve(tx, decide)

    async def lease(self, lease_id: str) -> Lease:
        """One lease.

        Raises:
            NotFound: there never was such a lease.
        """
        async with self._database.read() as tx:
            found = await leases.one(tx, lease_id)
        if found is None:
            raise NotFound(f"there is no lease {lease_id!r}: `vmm leases` lists yours")
        return found

    async def leases(
        self, *, owner: str | None = None, ended: bool = False, held: bool = False
    ) -> list[Lease]:
        """Leases, oldest first; those that ended only if ``ended``.

        ``held``: instead, those of which the machine is kept for what is on it only.
        """
        async with self._database.read() as tx:
            return await leases.many(tx, owner=owner, ended=ended, held=held)

    async def lease_of(self, machine_id: str) -> str | None:
        """The lease that holds a machine now."""
        async with self._database.read() as tx:
            return await leases.holder(tx, machine_id)

    async def end_lease(self, lease_id: str, message: str, *, settled: bool = True) -> bool:
        """Release a lease. False if it had ended before.

        Its machine goes to deleting, or is held: while it holds something of its
        user's, or its session may still run (not ``settled``).
        """
        async with self.write() as tx:
            return await leases.end(
                tx, lease_id, LeaseState.RELEASED, "released", message, settled=settled
            )

    async def refuse_waiting(self, lease_id: str, message: str) -> bool:
        """End a lease that still waits; False if it does not wait any more."""
        async with self.write() as tx:
            lease = await leases.one(tx, lease_id)
            if lease is None or lease.state is not LeaseState.WAITING:
                return False
            return await leases.end(tx, lease_id, LeaseState.REFUSED, "refused", message)

    async def explain_waiting(self, lease_id: str, explanation: Explanation) -> None:
        """Tell a lease that waits what it waits for now."""
        async with self.write() as tx:
            await leases.explain(tx, lease_id, explanation)

    async def fail_machine(
        self,
        machine_id: str,
        *,
        reason: str,
        message: str,
        only_from: Collection[MachineState] = tuple(MachineState),
    ) -> bool:
        """Fail a machine; a lease that holds it ends with ``message``."""
        async with self.write() as tx:
            failed = await machines.move(
                tx, machine_id, MachineState.FAILED, reason=reason, only_from=only_from
            )
            lease_id = await leases.holder(tx, machine_id) if failed else None
            if lease_id is not None:
                await leases.end(tx, lease_id, LeaseState.RELEASED, "released", message)
            return failed

    async def replace_machine(
        self, lease_id: str, machine_id: str, *, reason: str, decide: Decide
    ) -> Lease:
        """Fail a lease's machine and give it another, or let it wait for one."""
        async with self.write() as tx:
            lease = await leases.one(tx, lease_id)
            if lease is not None and lease.machine and lease.machine.id == machine_id:
                decision = decide(lease.needs, await machines.counts(tx))
                if await leases.wait_again(tx, lease_id, decision.waiting()):
                    await machines.move(tx, machine_id, MachineState.FAILED, reason=reason)
                    await leases.tell(
                        tx, lease_id, "waiting", 5, "the machine did not answer: taking another"
                    )
                    await leases.serve(tx, decide)
        return await self.lease(lease_id)

    async def tell(self, lease_id: str, stage: Stage, percent: int, message: str) -> None:
        """Add an event to a lease."""
        async with self.write() as tx:
            await leases.tell(tx, lease_id, stage, percent, message)

    async def events(self, lease_id: str, since: int = 0) -> list[LeaseEvent]:
        """The events of a lease from number ``since`` on."""
        async with self._database.read() as tx:
            return await leases.events(tx, lease_id, since)

    @asynccontextmanager
    async def following(self, lease_id: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the lease got one in this process."""
        follower = asyncio.Event()
        self._followers[lease_id].add(follower)
        try:
            yield follower
        finally:
            self._followers[lease_id].discard(follower)
            if not self._followers[lease_id]:
                del self._followers[lease_id]

    async def binding(self, lease_id: str) -> Binding | None:
        """What a lease is bound to, if it is."""
        async with self._database.read() as tx:
            return await leases.binding(tx, lease_id)

    async def bound(self, lease_id: str, machine_id: str, binding: Binding, message: str) -> bool:
        """Note that a lease's session answers; False if the lease lost the machine meanwhile."""
        async with self.write() as tx:
            if not await leases.bind(tx, lease_id, machine_id, binding):
                return False
            await leases.tell(tx, lease_id, "ready", 100, message)
            return True

    # Pools

    async def ledger(self) -> Ledger:
        """Everything that plans are made of, as one state."""
        async with self._database.read() as tx:
            return Ledger(
                now=tx.now,
                machines=tuple(await machines.many(tx)),
                waiting=tuple(await leases.waiting(tx)),
                backoffs=await bookkeeping.backoffs(tx),
            )

    async def forget(self, before: datetime) -> None:
        """Remove what ended before a time: leases, their events, deleted machines."""
        async with self.write() as tx:
            await leases.forget(tx, before)
            await machines.forget(tx, before)

    async def lock_pools(self, pools: Collection[str], holder: str, for_s: float) -> set[str]:
        """Take or keep the pools that no other holder has now; the names of those held."""
        async with self.write() as tx:
            return await bookkeeping.lock(tx, pools, holder, for_s)

    async def unlock_pools(self, holder: str) -> None:
        """Let go of all pools of a holder."""
        async with self.write() as tx:
            await bookkeeping.unlock(tx, holder)

    async def back_off(self, backoff: Backoff) -> None:
        """Remember that a pool creates nothing for a while."""
        async with self.write() as tx:
            await bookkeeping.back_off(tx, backoff)

    async def resume(self, pool: str) -> None:
        """Forget a pool's backoff."""
        async with self.write() as tx:
            await bookkeeping.resume(tx, pool)

    async def sight_orphans(
        self, cloud: str, cloud_ids: Collection[str], *, again_after_s: float
    ) -> set[str]:
        """Note the orphans a cloud shows; those first seen at least ``again_after_s`` ago."""
        async with self.write() as tx:
            return await bookkeeping.sight(tx, cloud, cloud_ids, again_after_s)

    async def _vacate(self, tx: Transaction, machine_id: str, decide: Decide) -> bool:
        if not await machines.move(tx, machine_id, MachineState.VACANT):
            return False
        await leases.serve(tx, decide)
        return True
