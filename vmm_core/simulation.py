"""Simulated clouds in a real service: machines that nobody boots still answer.

A machine's agent is at the other end of the switchboard, unless its cloud is a
simulated one that plays the agents itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from .agent.protocol import Bound
from .clouds.base import CloudError
from .clouds.simulated import SimulatedCloud
from .model import Session
from .pools.agents import Agents, OnProgress
from .pools.inventory import Inventory
from .pools.simulated import SimulatedAgents

log = logging.getLogger(__name__)

LOOK_S = 0.2
"""How often simulated clouds are looked at for machines that have booted."""


class EveryAgent:
    """The agents of all machines, real and simulated: an :class:`Agents`."""

    def __init__(self, real: Agents, inventory: Inventory, owner: str) -> None:
        """``owner`` is the installation whose machines these are."""
        self._real = real
        clouds = [
            cloud
            for cloud in inventory.clouds.values()
            if isinstance(cloud, SimulatedCloud) and cloud.options.agents
        ]
        self._simulated = SimulatedAgents(clouds, owner) if clouds else None

    async def simulate(self, ready: Callable[[str], Awaitable[None]]) -> None:
        """Let simulated machines report ``ready`` as they boot; never ends if there are any."""
        while self._simulated is not None:
            try:
                await self._simulated.step(ready)
            except CloudError:  # the pool manager asks the same cloud, and says it
                pass
            except Exception:  # the store may be away for a while
                log.exception("simulated machines could not report")
            await asyncio.sleep(LOOK_S)

    def connected(self, machine_id: str) -> bool:
        """See :class:`Agents`."""
        return self._of(machine_id).connected(machine_id)

    async def probe(self, machine_id: str, timeout_s: float = 2) -> bool:
        """See :class:`Agents`."""
        return await self._of(machine_id).probe(machine_id, timeout_s)

    async def bind(
        self, machine_id: str, lease_id: str, session: Session, progress: OnProgress
    ) -> Bound:
        """See :class:`Agents`."""
        return await self._of(machine_id).bind(machine_id, lease_id, session, progress)

    async def unbind(self, machine_id: str, lease_id: str, timeout_s: float = 10) -> bool:
        """See :class:`Agents`."""
        return await self._of(machine_id).unbind(machine_id, lease_id, timeout_s)

    def _of(self, machine_id: str) -> Agents:
        if self._simulated is not None and self._simulated.connected(machine_id):
            return self._simulated
        return self._real
