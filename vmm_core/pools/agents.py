"""What leases and pools need of the machines' agents.

The switchboard is the real one; :class:`vmm_core.pools.simulated.SimulatedAgents`
answers for simulated machines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from ..agent.protocol import Bound
from ..model import Session

OnProgress = Callable[[int, str], Awaitable[None]]
"""Called with percent and a message at each step of a bind."""


class Agents(Protocol):
    """The service's end of the agents' connections."""

    def connected(self, machine_id: str) -> bool:
        """Whether the machine's agent has a connection now."""
        ...

    async def probe(self, machine_id: str, timeout_s: float = 2) -> bool:
        """Whether the agent answered a ping within ``timeout_s``."""
        ...

    async def bind(
        self, machine_id: str, lease_id: str, session: Session, progress: OnProgress
    ) -> Bound:
        """Make the machine the user's; ``BindFailed`` carries the agent's sentence."""
        ...

    async def unbind(self, machine_id: str, lease_id: str, timeout_s: float = 10) -> bool:
        """End the session; whether the agent said within ``timeout_s`` that it ended."""
        ...
