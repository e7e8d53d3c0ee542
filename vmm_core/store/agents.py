"""What is done for the agents of machines; each method is one transaction."""

from __future__ import annotations

from ..model import Machine
from .queries import leases, machines
from .queries.leases import Decide
from .transactions import Rows


class AgentRows(Rows):
    """Who the agents are, and what they said."""

    async def enrol(
        self, machine_id: str, token_sha256: str, reconnect_sha256: str
    ) -> Machine | None:
        """Exchange a one-time token for a reconnect token; None if it is wrong or used."""
        async with self._transactions.write() as tx:
            return await machines.enrol(tx, machine_id, token_sha256, reconnect_sha256)

    async def reconnect(self, machine_id: str, reconnect_sha256: str) -> Machine | None:
        """The machine of a reconnect token; None if it is wrong or the machine must go."""
        async with self._transactions.read() as tx:
            return await machines.reconnect(tx, machine_id, reconnect_sha256)

    async def told(self, machine_id: str, *, root: str, isolation: str) -> None:
        """What the agent says of its machine; an empty isolation leaves the cloud's word."""
        facts = {"root": root, "isolation": isolation} if isolation else {"root": root}
        async with self._transactions.write() as tx:
            await machines.note(tx, machine_id, **facts)

    async def ready(self, machine_id: str, decide: Decide) -> bool:
        """Note that a machine's agent is ready; whether the machine is vacant by that."""
        async with self._transactions.write() as tx:
            if not await machines.agent_is_ready(tx, machine_id):
                return False
            return await leases.vacate(tx, machine_id, decide)
