"""What is done for the agents of machines; each method is one transaction."""

from __future__ import annotations

from collections.abc import Collection

from ..model import Machine
from .queries import leases, machines, replicas
from .queries.leases import Decide
from .transactions import Rows


class AgentRows(Rows):
    """Who the agents are, and what they said."""

    async def enrol(
        self,
        machine_id: str,
        token_sha256: str,
        reconnect_sha256: str,
        replica_id: str | None = None,
    ) -> Machine | None:
        """Exchange a one-time token for a reconnect token; None if it is wrong or used.

        With the replica that asks, it is used only when the agent has shown that it got it.
        """
        async with self._transactions.write() as tx:
            known = replica_id is None or await replicas.alive(tx, replica_id)
            found = await machines.enrol(tx, machine_id, token_sha256, reconnect_sha256, replica_id)
            if found and not known:  # the agent is sent away, and may enrol again
                await machines.note(tx, machine_id, replica=None)
            return found

    async def reconnect(self, machine_id: str, reconnect_sha256: str) -> Machine | None:
        """The machine of a reconnect token; None if it is wrong or the machine must go."""
        async with self._transactions.read() as tx:
            return await machines.reconnect(tx, machine_id, reconnect_sha256)

    async def told(self, machine_id: str, *, root: str, isolation: str) -> None:
        """What the agent says of its machine; an empty isolation leaves the cloud's word."""
        facts = {"root": root, "isolation": isolation} if isolation else {"root": root}
        async with self._transactions.write() as tx:
            await machines.note(tx, machine_id, **facts)

    async def connected(
        self, machine_id: str, replica_id: str, *, root: str, isolation: str, proven: bool = True
    ) -> bool:
        """The agent is connected to a replica, and says that of its machine.

        ``proven``: it came with its reconnect token, so that the one-time token is used.
        False: the other replicas think that this one is gone; nothing is noted.
        """
        facts: dict[str, str | None] = {"root": root}
        if isolation:
            facts["isolation"] = isolation
        if proven:
            facts["enrolment_sha256"] = None
        async with self._transactions.write() as tx:
            return await replicas.connect(tx, machine_id, replica_id, **facts)

    async def take(self, machine_ids: Collection[str], replica_id: str) -> set[str]:
        """Connect to a replica those agents that are connected to none; those it has by now."""
        async with self._transactions.write() as tx:
            return await replicas.take(tx, machine_ids, replica_id)

    async def disconnected(self, machine_id: str, replica_id: str) -> None:
        """The agent went away from a replica; nothing if it is at another by now."""
        async with self._transactions.write() as tx:
            await replicas.disconnect(tx, machine_id, replica_id)

    async def lost(self, machine_id: str) -> None:
        """The agent is connected to none; since when, if that is not known."""
        async with self._transactions.write() as tx:
            await replicas.lost(tx, machine_id)

    async def ready(self, machine_id: str, decide: Decide) -> bool:
        """Note that a machine's agent is ready; whether the machine is vacant by that."""
        async with self._transactions.write() as tx:
            await machines.note(tx, machine_id, agent_lost_at=None)
            if not await machines.agent_is_ready(tx, machine_id):
                return False
            return await leases.vacate(tx, machine_id, decide)
