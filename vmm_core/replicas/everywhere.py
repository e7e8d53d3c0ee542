"""The agents of all machines, whichever replica they are connected to."""

from __future__ import annotations

from ..agent.protocol import Bound
from ..model import Session
from ..pools.agents import AgentAway, OnProgress, Placed
from ..store import Store
from ..store.records import Replica
from .answering import Here
from .elsewhere import Elsewhere


class Everywhere:
    """An :class:`vmm_core.pools.agents.Agents` of a service with any number of replicas."""

    def __init__(self, store: Store, replica_id: str, here: Here, elsewhere: Elsewhere) -> None:
        """Wire the parts.

        Args:
            store: knows where each agent is.
            replica_id: who we are.
            here: the agents that are connected to us.
            elsewhere: asks the others.
        """
        self._store = store
        self._id = replica_id
        self._here = here
        self._elsewhere = elsewhere

    def connected(self, machine: Placed) -> bool:
        """See :class:`Agents`; a replica that is gone loses its machines in the ledger."""
        return machine.replica is not None

    async def probe(self, machine_id: str, timeout_s: float = 2) -> bool:
        """See :class:`Agents`."""
        replica = await self._where(machine_id)
        if replica is None:
            return await self._here.probe(machine_id, timeout_s)
        return await self._elsewhere.probe(replica, machine_id, timeout_s)

    async def answers(self, machine_id: str) -> bool:
        """Whether the machine's agent answers; one that is away does not."""
        try:
            return await self.probe(machine_id)
        except AgentAway:
            return False

    async def bind(
        self, machine_id: str, lease_id: str, session: Session, progress: OnProgress
    ) -> Bound:
        """See :class:`Agents`."""
        replica = await self._where(machine_id)
        if replica is None:
            return await self._here.bind(machine_id, lease_id, session, progress)
        return await self._elsewhere.bind(replica, machine_id, lease_id, session, progress)

    async def unbind(self, machine_id: str, lease_id: str, timeout_s: float = 10) -> bool:
        """See :class:`Agents`."""
        try:
            replica = await self._where(machine_id)
        except AgentAway:
            return False
        if replica is None:
            return await self._here.unbind(machine_id, lease_id, timeout_s)
        return await self._elsewhere.unbind(replica, machine_id, lease_id, timeout_s)

    async def _where(self, machine_id: str) -> Replica | None:
        """The other replica that has the agent; None: we have it.

        The ledger is asked first: a connection here may be one that died unnoticed.

        Raises:
            AgentAway: nobody has it.
        """
        replica = await self._store.replicas.of_machine(machine_id)
        if replica is not None and replica.id != self._id:
            return replica
        if replica is None or not self._here.connected(machine_id):
            raise AgentAway(
                f"the agent of machine {machine_id} is not connected: start again in a moment"
            )
        return None
