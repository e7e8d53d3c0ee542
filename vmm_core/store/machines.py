"""What is done with machines' rows; each method is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..errors import NotFound
from ..model import LeaseState, Machine, MachineState
from .queries import leases, lifetimes, machines, pools
from .queries.leases import Decide
from .records import Fence
from .transactions import Rows


class MachineRows(Rows):
    """The machines of the ledger."""

    async def get(self, machine_id: str) -> Machine:
        """One machine.

        Raises:
            NotFound: the ledger never had it.
        """
        async with self._transactions.read() as tx:
            found = await machines.one(tx, machine_id)
        if found is None:
            raise NotFound(f"there is no machine {machine_id!r}: `vmm machines` lists them")
        return found

    async def all(self, *, pool: str | None = None, deleted: bool = False) -> list[Machine]:
        """Machines, oldest first; those that are gone only if ``deleted``."""
        async with self._transactions.read() as tx:
            return await machines.many(tx, pool=pool, deleted=deleted)

    async def add(
        self, machine: Machine, *, enrolment_sha256: str, fence: Fence | None = None
    ) -> bool:
        """Write a machine before its cloud is asked for it; False if its pool is another's."""
        async with self._transactions.write() as tx:
            if not await pools.holds(tx, fence):
                return False
            await machines.add(tx, machine, enrolment_sha256)
            return True

    async def move(
        self,
        machine_id: str,
        to: MachineState,
        *,
        reason: str,
        only_from: Collection[MachineState] = tuple(MachineState),
        fence: Fence | None = None,
    ) -> bool:
        """Change a machine's state; False if that is not legal from where it is now.

        Nor is it done if its pool is another manager's by now (``fence``).
        """
        async with self._transactions.write() as tx:
            if not await pools.holds(tx, fence):
                return False
            return await machines.move(tx, machine_id, to, reason=reason, only_from=only_from)

    async def suspend(self, machine_id: str) -> bool:
        """Take a vacant machine out of what can be leased, before its cloud suspends it.

        What held of it while it ran (its address, that its agent is ready) is told anew
        when it runs again.
        """
        async with self._transactions.write() as tx:
            return await machines.move(
                tx,
                machine_id,
                MachineState.SUSPENDED,
                only_from={MachineState.VACANT},
                address=None,
                ports={},
                agent_ready_at=None,
            )

    async def resume(self, machine_id: str) -> bool:
        """Let a suspended machine be on its way again, before its cloud is asked for it."""
        async with self._transactions.write() as tx:
            return await machines.move(
                tx,
                machine_id,
                MachineState.PROVISIONED,
                only_from={MachineState.SUSPENDED},
            )

    async def keep(self, machine_id: str, *, reason: str, console: str) -> bool:
        """Keep a failed machine to be looked at, with the end of its console's log."""
        text = console.replace("\0", "\N{REPLACEMENT CHARACTER}")  # PostgreSQL keeps none
        async with self._transactions.write() as tx:
            return await machines.move(
                tx,
                machine_id,
                MachineState.HELD,
                reason=reason,
                only_from={MachineState.FAILED},
                console=text,
            )

    async def console(self, machine_id: str) -> str | None:
        """The console's log that was kept of a machine; None if none was."""
        async with self._transactions.read() as tx:
            return await machines.console(tx, machine_id)

    async def held(self) -> list[Machine]:
        """Machines that are held, oldest first, but for failed ones that are kept."""
        async with self._transactions.read() as tx:
            return await machines.held(tx)

    async def tally(self) -> list[tuple[str, str, MachineState, int]]:
        """How many machines there are of each pool, location and state; deleted ones not."""
        async with self._transactions.read() as tx:
            return await machines.tally(tx)

    async def explain(self, machine_id: str, reason: str) -> None:
        """Note why a machine stays in its state."""
        async with self._transactions.write() as tx:
            await machines.note(tx, machine_id, reason=reason, changed_at=tx.now)

    async def hold(self, machine_id: str, holding: str) -> None:
        """Note what of its user's is on a machine and nowhere else; empty: nothing any more."""
        async with self._transactions.write() as tx:
            await machines.hold(tx, machine_id, holding)

    async def settle(self, machine_id: str) -> bool:
        """Have a held machine deleted whose session ended; False if it is kept, or not held."""
        async with self._transactions.write() as tx:
            await lifetimes.session_over(tx, machine_id)
            return await machines.settle(tx, machine_id)

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
        async with self._transactions.write() as tx:
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
                new = {MachineState.REQUESTED, MachineState.BUILDING}  # what is suspended stays so
                await machines.move(tx, machine_id, MachineState.PROVISIONED, only_from=new)
            if not await machines.agent_was_ready(tx, machine_id):
                return False
            return await leases.vacate(tx, machine_id, decide)

    async def fail(
        self,
        machine_id: str,
        *,
        reason: str,
        message: str,
        only_from: Collection[MachineState] = tuple(MachineState),
    ) -> bool:
        """Fail a machine; a lease that holds it ends with ``message``."""
        async with self._transactions.write() as tx:
            failed = await machines.move(
                tx, machine_id, MachineState.FAILED, reason=reason, only_from=only_from
            )
            lease_id = await leases.holder(tx, machine_id) if failed else None
            if lease_id is not None:
                await leases.end(tx, lease_id, LeaseState.RELEASED, "released", message)
            return failed

    async def boot_times_s(self) -> Mapping[str, list[float]]:
        """For each pool, how long its newest machines took from asked for to vacant."""
        async with self._transactions.read() as tx:
            return await machines.boot_times_s(tx)
