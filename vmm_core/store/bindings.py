"""What is done with what leases are bound to; each method is one transaction."""

from __future__ import annotations

from datetime import timedelta

from ..errors import NotFound
from ..lifetimes.rules import clock
from ..model import Lease, LeaseState, MachineState
from .queries import bindings, leases, machines
from .records import Binding
from .transactions import Rows

AGAIN = timedelta(hours=1)
"""So long at least a lease that was taken back can be taken back again if its bind fails."""


class BindingRows(Rows):
    """Which session each lease has, and where that answers."""

    async def begin(self, lease_id: str, session_sha256: str) -> tuple[Lease, Binding | None]:
        """The lease, and what it is bound to or is being bound to: from now on, this session.

        A lease that waits or has ended is not bound to anything new.

        Raises:
            NotFound: there never was such a lease.
        """
        async with self._transactions.write() as tx:
            binding = await bindings.begin(tx, lease_id, session_sha256)
            lease = await leases.one(tx, lease_id)
        return _there(lease, lease_id), binding

    async def look(self, lease_id: str) -> tuple[Lease, Binding | None]:
        """The lease, and what it is bound to or is being bound to, as one state.

        Raises:
            NotFound: there never was such a lease.
        """
        async with self._transactions.read() as tx:
            lease = await leases.one(tx, lease_id)
            binding = await leases.binding(tx, lease_id)
        return _there(lease, lease_id), binding

    async def answers(self, lease_id: str, machine_id: str, port: int) -> bool:
        """Note that a session answers; whether its lease still has that machine for it.

        Said twice, it is noted once.
        """
        async with self._transactions.write() as tx:
            if await bindings.answers(tx, lease_id, machine_id, port):
                lease = await leases.one(tx, lease_id)
                ends_at = lease.ends_at if lease else None
                until = f", the machine is yours until {clock(ends_at)}" if ends_at else ""
                await leases.tell(tx, lease_id, "ready", 100, f"the session answers{until}")
                return True
            binding = await leases.binding(tx, lease_id)
            holder = await leases.holder(tx, machine_id)
            return holder == lease_id and binding is not None and binding.port is not None

    async def forget(self, lease_id: str) -> None:
        """Bind a lease to nothing any more: its session did not begin."""
        async with self._transactions.write() as tx:
            await bindings.forget(tx, lease_id)

    async def refused(self, lease_id: str, machine_id: str, reason: str) -> bool:
        """A machine could not start the session of its lease: both end, with the reason.

        The machine of a lease that was taken back is kept, for what its user left on it.
        False: it is not the lease's machine (any more), or the session answers.
        """
        async with self._transactions.write() as tx:
            binding = await leases.binding(tx, lease_id)
            if await leases.holder(tx, machine_id) != lease_id:
                return False
            if binding is not None and binding.port is not None:
                return False
            machine = await machines.one(tx, machine_id)
            kept_until = machine.kept_until if machine else None
            if kept_until is None:
                await machines.move(tx, machine_id, MachineState.FAILED, reason=reason)
            else:  # what was taken back shortly before its time was over is not lost by this
                kept_until = max(kept_until, tx.now + AGAIN)
            message = f"the session did not start: {reason}"
            return await leases.end(
                tx,
                lease_id,
                LeaseState.RELEASED,
                "released",
                message,
                settled=kept_until is None,
                kept_until=kept_until,
            )


def _there(lease: Lease | None, lease_id: str) -> Lease:
    if lease is None:
        raise NotFound(f"there is no lease {lease_id!r}: `vmm leases` lists yours")
    return lease
