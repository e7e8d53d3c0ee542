"""What leases and pools need of the machines' agents.

:class:`vmm_core.replicas.everywhere.Everywhere` is the real one, for agents that are
connected to any replica of the service; :class:`vmm_core.pools.simulated.SimulatedAgents`
answers for simulated machines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from ..agent.protocol import Bound
from ..errors import BindFailed
from ..model import Session

OnProgress = Callable[[int, str], Awaitable[None]]
"""Called with percent and a message at each step of a bind."""


class AgentAway(BindFailed):
    """The agent has no connection to the service now; it may be back in a moment."""


class Placed(Protocol):
    """A machine, as the ledger has it."""

    @property
    def id(self) -> str:
        """Its name."""
        ...

    @property
    def replica(self) -> str | None:
        """The replica that its agent is connected to."""
        ...


class Agents(Protocol):
    """The service's end of the agents' connections, whichever replica has them."""

    def connected(self, machine: Placed) -> bool:
        """Whether the machine's agent has a connection, as far as the ledger knows."""
        ...

    async def probe(self, machine_id: str, timeout_s: float = 2) -> bool:
        """Whether the agent answered a ping within ``timeout_s``.

        Raises:
            AgentAway: it has no connection.
        """
        ...

    async def bind(
        self, machine_id: str, lease_id: str, session: Session, progress: OnProgress
    ) -> Bound:
        """Make the machine the user's. Asked twice with the same session, it is done once.

        Raises:
            AgentAway: the agent has no connection, or lost it before it answered.
            BindFailed: with the agent's sentence.
        """
        ...

    async def unbind(self, machine_id: str, lease_id: str, timeout_s: float = 10) -> bool:
        """End the session; whether the agent said within ``timeout_s`` that it ended."""
        ...
